/**
 * Every id that package.json and the code share, typed once. A test compares this table with the manifest.
 */
export const commandIds = {
  newAudit: 'backcompat.newAudit',
  runAudit: 'backcompat.runAudit',
  trainModel: 'backcompat.trainModel',
  runTraining: 'backcompat.runTraining',
  openReport: 'backcompat.openReport',
  compareReports: 'backcompat.compareReports',
  exportReport: 'backcompat.exportReport',
  openRun: 'backcompat.openRun',
  openRunFolder: 'backcompat.openRunFolder',
  cancelRun: 'backcompat.cancelRun',
  pauseRun: 'backcompat.pauseRun',
  resumeRun: 'backcompat.resumeRun',
  deleteRun: 'backcompat.deleteRun',
  showLog: 'backcompat.showLog',
  inspectCheckpoint: 'backcompat.inspectCheckpoint',
  useAsOld: 'backcompat.useAsOld',
  useAsNew: 'backcompat.useAsNew',
  embedDataset: 'backcompat.embedDataset',
  installTfjs: 'backcompat.installTfjs',
  copyCliCommand: 'backcompat.copyCliCommand',
  revealInConfig: 'backcompat.revealInConfig',
  validateConfig: 'backcompat.validateConfig',
  trySample: 'backcompat.trySample',
  refresh: 'backcompat.refresh',
} as const;

/** Commands of code actions: no entry in package.json, because nobody calls them by name. */
export const internalCommandIds = {
  chooseMissingFile: 'backcompat.chooseMissingFile',
} as const;

export const viewContainerId = 'backcompat';

export const viewIds = {
  pairs: 'backcompat.pairs',
  runs: 'backcompat.runs',
  checkpoints: 'backcompat.checkpoints',
} as const;

/** What a tree item is, for `viewItem` in the menus of package.json. */
export const itemContexts = {
  config: 'config',
  pair: 'pair',
  /** A training block of a config. */
  training: 'training',
  checkpoint: 'checkpoint',
  /** A file that was found, but cannot be audited. */
  unusableFile: 'file',
  /** A run that goes on. */
  liveRun: 'run.live',
  /** A training that goes on: it can be paused, too. */
  liveTraining: 'run.live.training',
  /** A training that ended before its end, and can go on. */
  resumableRun: 'run.resumable',
  /** A run that is over and left a report. */
  reportedRun: 'run.reported',
  /** A run that is over and left none. */
  endedRun: 'run.ended',
} as const;

/** Context keys that `when` clauses read. */
export const contextKeys = {
  /** The workspace has been searched for configs and run directories. */
  ready: 'backcompat.ready',
  /** The Node.js of the setting does not start. */
  runtimeFailed: 'backcompat.runtimeFailed',
} as const;

export const reportEditorId = 'backcompat.report';
export const runPanelId = 'backcompat.run';
export const comparePanelId = 'backcompat.compare';
/** Texts that the extension makes: inspections. */
export const textScheme = 'backcompat-text';
export const taskType = 'backcompat';
export const problemMatcherName = 'backcompat';

/** Settings and their defaults. */
export const settings = {
  nodePath: { key: 'backcompat.nodePath', default: '' },
  threads: { key: 'backcompat.threads', default: 0 },
} as const;

/** Globs of config files, as in package.json's `jsonValidation` and `workspaceContains`. */
export const configGlobs = ['backcompat.json', '*.compat.json'] as const;
export const reportGlob = '*.compat-report.json';

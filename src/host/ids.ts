/**
 * Every id that package.json and the code share, typed once. A test compares this table with the manifest.
 */
export const commandIds = {
  runAudit: 'backcompat.runAudit',
  openReport: 'backcompat.openReport',
  openRun: 'backcompat.openRun',
  openRunFolder: 'backcompat.openRunFolder',
  cancelRun: 'backcompat.cancelRun',
  deleteRun: 'backcompat.deleteRun',
  showLog: 'backcompat.showLog',
  copyCliCommand: 'backcompat.copyCliCommand',
  revealInConfig: 'backcompat.revealInConfig',
  validateConfig: 'backcompat.validateConfig',
  trySample: 'backcompat.trySample',
  refresh: 'backcompat.refresh',
} as const;

export const viewContainerId = 'backcompat';

export const viewIds = {
  pairs: 'backcompat.pairs',
  runs: 'backcompat.runs',
} as const;

/** What a tree item is, for `viewItem` in the menus of package.json. */
export const itemContexts = {
  config: 'config',
  pair: 'pair',
  /** A run that goes on. */
  liveRun: 'run.live',
  /** A run that is over and left a report. */
  reportedRun: 'run.reported',
  /** A run that is over and left none. */
  endedRun: 'run.ended',
} as const;

/** Context keys that `when` clauses read. */
export const contextKeys = {
  /** The workspace has been searched for configs and run directories. */
  ready: 'backcompat.ready',
} as const;

export const reportEditorId = 'backcompat.report';
export const runPanelId = 'backcompat.run';
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

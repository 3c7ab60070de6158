import path from 'node:path';
import * as vscode from 'vscode';
import type { Comparison } from '../core/contract/comparison.ts';
import { renderComparisonMarkdown } from '../core/report/renderComparison.ts';
import { readRun } from '../core/runs/readRun.ts';
import type { BrowseMessage } from '../protocol/browse.ts';
import type { PageHandlers, ReportActions } from '../protocol/messages.ts';
import { commandText } from './commandLine.ts';
import { showInConfig } from './configStore.ts';
import { exportReport } from './exportReport.ts';
import { commandIds } from './ids.ts';
import { readRequest } from './reportFile.ts';
import type { Services } from './services.ts';

/** What a page is about: a run directory, or a report that lies somewhere on its own. */
export interface PageSubject {
  directory: string | null;
  report: string | null;
  /** Of a report that lies in no run: its pair, by which a config is found. */
  pair?: string;
  /** Of a page that holds reports against each other. */
  compared?: { comparison: Comparison; files: readonly string[] };
}

/** What a page's intents need; what its questions do is `PageQuestions`. */
type IntentHandlers = Omit<PageHandlers, 'ready' | BrowseMessage['type']>;

/** What the page may offer for its subject. */
export async function actionsFor(services: Pick<Services, 'configs'>, subject: PageSubject): Promise<ReportActions> {
  const { directory, report } = subject;
  const request = directory === null ? null : await readRequest(directory);
  return {
    openRunFolder: request !== null,
    openConfig: Boolean(request?.configFile),
    exportHtml: report !== null,
    cliCommand: request === null ? null : commandText(request.arguments),
    ...(report === null ? {} : { browse: await browsing(services, subject, report) }),
  };
}

/** Whether single queries can be looked at: models may run, and something says which. */
async function browsing(
  services: Pick<Services, 'configs'>,
  subject: PageSubject,
  report: string,
): Promise<NonNullable<ReportActions['browse']>> {
  const no = (why: string) => ({ possible: false, why });
  if (!vscode.workspace.isTrusted) {
    return no(
      vscode.l10n.t('Looking at single queries runs the models, and nothing is run in a folder that is not trusted.'),
    );
  }
  const folder = path.dirname(report);
  // A part of a training lies in a folder of its run.
  const isOfRun = (await readRequest(folder)) !== null || (await readRequest(path.dirname(folder))) !== null;
  if (isOfRun || configWith(services, subject) !== null) return { possible: true, why: null };
  return no(
    vscode.l10n.t(
      'Nothing says which vectors this report was made from: it lies in no run directory, and no config of this workspace (or more than one) has its pair.',
    ),
  );
}

/** The config that has a pair of the subject's name, when it is the only one. */
export function configWith({ configs }: Pick<Services, 'configs'>, { pair }: PageSubject): string | null {
  const having = configs.configs.filter(({ pairs }) => pairs.some(({ name }) => name === pair));
  return having.length === 1 ? (having[0]?.uri.fsPath ?? null) : null;
}

/** What each intent of the page does; the subject is asked for when it is needed, because a run's report comes later. */
export function intentHandlers(services: Services, subject: () => PageSubject): IntentHandlers {
  const run = () => ({ run: { directory: subject().directory } });
  return {
    cancelRun: async () => void (await vscode.commands.executeCommand(commandIds.cancelRun, run())),
    pauseRun: async () => void (await vscode.commands.executeCommand(commandIds.pauseRun, run())),
    openReport: async () => void (await vscode.commands.executeCommand(commandIds.openReport, run())),
    openCompared: async ({ report }) => {
      const file = subject().compared?.files[report];
      if (file !== undefined) await vscode.commands.executeCommand(commandIds.openReport, { report: file });
    },
    compareReports: async () => {
      const { report } = subject();
      if (report !== null) await vscode.commands.executeCommand(commandIds.compareReports, { report });
    },
    copyMarkdown: async () => {
      const { compared } = subject();
      if (compared !== undefined) await copy(renderComparisonMarkdown(compared.comparison));
    },
    openRunFolder: async () => void (await vscode.commands.executeCommand(commandIds.openRunFolder, run())),
    resumeOrRestart: async () => {
      const { directory } = subject();
      const request = directory === null ? null : await readRequest(directory);
      if (!request?.configFile || directory === null) return;
      const { configFile: config, name } = request;
      if (request.kind === 'audit')
        return void (await vscode.commands.executeCommand(commandIds.runAudit, { config, pair: name }));
      const run = await readRun(directory);
      // What failed would fail again where it stands.
      if (run.state === 'failed')
        await vscode.commands.executeCommand(commandIds.runTraining, { config, training: name });
      else await vscode.commands.executeCommand(commandIds.resumeRun, { run });
    },
    openConfig: async ({ rule }) => {
      const { directory } = subject();
      const request = directory === null ? null : await readRequest(directory);
      if (!request?.configFile) return;
      await showInConfig(
        vscode.Uri.file(request.configFile),
        rule === undefined ? [request.kind === 'train' ? 'training' : 'pairs', request.name] : ['gates', rule],
      );
    },
    exportHtml: async () => {
      const { report } = subject();
      if (report !== null) await exportReport(services.context.extensionUri, report, 'html');
    },
    copyText: ({ text }) => copy(text),
    saveFile: async (file) => {
      const content = 'text' in file ? Buffer.from(file.text, 'utf8') : Buffer.from(file.dataBase64, 'base64');
      const target = await askWhere(subject(), file.name);
      if (target) await vscode.workspace.fs.writeFile(target, content);
    },
  };
}

async function copy(text: string): Promise<void> {
  await vscode.env.clipboard.writeText(text);
  vscode.window.setStatusBarMessage(vscode.l10n.t('Copied'), 2000);
}

/** Asks for a place to save at, beside the workspace rather than inside the run. */
export function askWhere({ directory, report }: PageSubject, name: string): Thenable<vscode.Uri | undefined> {
  const workspace = vscode.workspace.workspaceFolders?.[0]?.uri.fsPath;
  const folder = workspace ?? directory ?? (report === null ? '.' : path.dirname(report));
  return vscode.window.showSaveDialog({ defaultUri: vscode.Uri.file(path.join(folder, name)) });
}

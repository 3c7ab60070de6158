import path from 'node:path';
import * as vscode from 'vscode';
import { readRun } from '../core/runs/readRun.ts';
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
}

/** What the page may offer for its subject. */
export async function actionsFor({ directory, report }: PageSubject): Promise<ReportActions> {
  const request = directory === null ? null : await readRequest(directory);
  return {
    openRunFolder: request !== null,
    openConfig: Boolean(request?.configFile),
    exportHtml: report !== null,
    cliCommand: request === null ? null : commandText(request.arguments),
  };
}

/** What each intent of the page does; the subject is asked for when it is needed, because a run's report comes later. */
export function intentHandlers(services: Services, subject: () => PageSubject): Omit<PageHandlers, 'ready'> {
  const run = () => ({ run: { directory: subject().directory } });
  return {
    cancelRun: async () => void (await vscode.commands.executeCommand(commandIds.cancelRun, run())),
    pauseRun: async () => void (await vscode.commands.executeCommand(commandIds.pauseRun, run())),
    openReport: async () => void (await vscode.commands.executeCommand(commandIds.openReport, run())),
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
    copyText: async ({ text }) => {
      await vscode.env.clipboard.writeText(text);
      vscode.window.setStatusBarMessage(vscode.l10n.t('Copied'), 2000);
    },
    saveFile: async (file) => {
      const content = 'text' in file ? Buffer.from(file.text, 'utf8') : Buffer.from(file.dataBase64, 'base64');
      const target = await askWhere(subject(), file.name);
      if (target) await vscode.workspace.fs.writeFile(target, content);
    },
  };
}

/** Asks for a place to save at, beside the workspace rather than inside the run. */
export function askWhere({ directory, report }: PageSubject, name: string): Thenable<vscode.Uri | undefined> {
  const workspace = vscode.workspace.workspaceFolders?.[0]?.uri.fsPath;
  const folder = workspace ?? directory ?? (report === null ? '.' : path.dirname(report));
  return vscode.window.showSaveDialog({ defaultUri: vscode.Uri.file(path.join(folder, name)) });
}

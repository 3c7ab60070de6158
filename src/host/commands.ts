import path from 'node:path';
import * as vscode from 'vscode';
import { asBackcompatError, isCancellation } from '../core/contract/errors.ts';
import { RUN_FILES, type RunSummary } from '../core/contract/runs.ts';
import { requestCancel } from '../core/runs/runDirectory.ts';
import { commandText } from './commandLine.ts';
import { showInConfig } from './configStore.ts';
import { isConfig } from './diagnostics.ts';
import { commandIds, reportEditorId } from './ids.ts';
import type { PairsNode } from './pairsView.ts';
import { pickConfig, pickPair, pickReport, pickRun } from './pickers.ts';
import { readRequest } from './reportFile.ts';
import type { RunNotices } from './runNotices.ts';
import type { RunPanels } from './runPanel.ts';
import type { Services } from './services.ts';
import { startAudit } from './startAudit.ts';
import { trySample } from './trySample.ts';

/** A command starts from a tree item, from a page or a test (plain values), or from the palette (nothing). */
type RunArgument = { run?: { directory?: string | null } } | undefined;
type PairArgument = Extract<PairsNode, { kind: 'pair' }> | { config: string; pair: string } | undefined;

type CommandName = keyof typeof commandIds;

/** Registers every command of {@link commandIds}; errors end in one message and in the log. */
export function registerCommands(services: Services, panels: RunPanels, notices: RunNotices): vscode.Disposable {
  const handlers = handlersOf(services, panels, notices);
  const registrations = (Object.keys(commandIds) as CommandName[]).map((name) => {
    const handle = handlers[name] as (argument?: unknown) => unknown;
    return vscode.commands.registerCommand(commandIds[name], async (argument?: unknown) => {
      try {
        await handle(argument);
      } catch (error) {
        if (!isCancellation(error)) await showError(services.log, error);
      }
    });
  });
  return vscode.Disposable.from(...registrations);
}

async function showError(log: vscode.LogOutputChannel, error: unknown): Promise<void> {
  const { message, remedy } = asBackcompatError(error);
  log.error(error instanceof Error ? error : String(error));
  const showLog = vscode.l10n.t('Show Log');
  const answer = await vscode.window.showErrorMessage(remedy === null ? message : `${message} ${remedy}`, showLog);
  if (answer === showLog) log.show();
}

function handlersOf(services: Services, panels: RunPanels, notices: RunNotices) {
  const { configs, runs, log, diagnostics } = services;

  async function chosenRun(
    argument: RunArgument,
    candidates: readonly RunSummary[],
    words: { title: string; none: string },
  ): Promise<string | undefined> {
    if (argument?.run?.directory) return argument.run.directory;
    if (candidates.length === 0) {
      void vscode.window.showInformationMessage(words.none);
      return undefined;
    }
    return (await pickRun(candidates, words.title))?.directory;
  }

  async function chosenPair(argument: PairArgument): Promise<{ config: vscode.Uri; pair: string } | undefined> {
    if (argument === undefined) {
      await configs.refresh();
      if (configs.configs.every(({ pairs }) => pairs.length === 0)) {
        void offerSample();
        return undefined;
      }
      return pickPair(configs.configs);
    }
    if ('kind' in argument) return { config: argument.config.uri, pair: argument.pair.name };
    return { config: vscode.Uri.file(argument.config), pair: argument.pair };
  }

  return {
    runAudit: async (argument: PairArgument) => {
      if (!requireTrust()) return;
      const chosen = await chosenPair(argument);
      if (chosen === undefined) return;
      const directory = await startAudit(services, chosen.config, chosen.pair);
      await notices.expect(directory);
      panels.open(directory);
      await runs.refresh();
    },
    openReport: async (argument: RunArgument) => {
      const reported = runs.runs.filter((run) => run.report !== null);
      const given = argument?.run?.directory ? runs.find(argument.run.directory) : undefined;
      const chosen = given ?? (await pickReport(reported));
      if (chosen === undefined) return;
      const uri = chosen instanceof vscode.Uri ? chosen : chosen.report && vscode.Uri.file(chosen.report);
      if (uri) await vscode.commands.executeCommand('vscode.openWith', uri, reportEditorId);
    },
    openRun: async (argument: RunArgument) => {
      const words = { title: vscode.l10n.t('Open which run?'), none: vscode.l10n.t('There are no runs yet.') };
      const directory = await chosenRun(argument, runs.runs, words);
      if (directory !== undefined) panels.open(directory);
    },
    openRunFolder: async (argument: RunArgument) => {
      const words = { title: vscode.l10n.t('The folder of which run?'), none: vscode.l10n.t('There are no runs yet.') };
      const directory = await chosenRun(argument, runs.runs, words);
      if (directory === undefined) return;
      const uri = vscode.Uri.file(directory);
      // The explorer also works where the files are on another machine.
      const inWorkspace = vscode.workspace.getWorkspaceFolder(uri) !== undefined;
      await vscode.commands.executeCommand(inWorkspace ? 'revealInExplorer' : 'revealFileInOS', uri);
    },
    cancelRun: async (argument: RunArgument) => {
      const words = { title: vscode.l10n.t('Cancel which run?'), none: vscode.l10n.t('No run is going on.') };
      const directory = await chosenRun(argument, runs.liveRuns, words);
      if (directory === undefined) return;
      await requestCancel(directory);
      await runs.refresh();
    },
    deleteRun: async (argument: RunArgument) => {
      const ended = runs.runs.filter((run) => run.state !== 'running');
      const words = { title: vscode.l10n.t('Delete which run?'), none: vscode.l10n.t('There is no run to delete.') };
      const directory = await chosenRun(argument, ended, words);
      // A live run would go on writing into the folder that has gone.
      if (directory === undefined || runs.find(directory)?.state === 'running') return;
      const remove = vscode.l10n.t('Delete');
      const question = vscode.l10n.t('Delete this run and its report?');
      const answer = await vscode.window.showWarningMessage(question, { modal: true, detail: directory }, remove);
      if (answer !== remove) return;
      await vscode.workspace.fs.delete(vscode.Uri.file(directory), { recursive: true, useTrash: false });
      await runs.refresh();
    },
    showLog: async (argument: RunArgument) => {
      const directory = argument?.run?.directory;
      if (!directory) return log.show();
      const uri = vscode.Uri.file(path.join(directory, RUN_FILES.log));
      await vscode.window.showTextDocument(uri, { preview: true });
    },
    copyCliCommand: async (argument: PairArgument | RunArgument) => {
      const args = await commandArguments(argument);
      if (args === undefined) return;
      await vscode.env.clipboard.writeText(commandText(args));
      vscode.window.setStatusBarMessage(vscode.l10n.t('Command copied'), 3000);
    },
    revealInConfig: async (argument: PairArgument) => {
      const chosen = await chosenPair(argument);
      if (chosen !== undefined) await showInConfig(chosen.config, ['pairs', chosen.pair]);
    },
    validateConfig: async () => {
      const open = vscode.window.activeTextEditor?.document;
      const uri = open && isConfig(open) ? open.uri : await pickConfig(configs.configs);
      if (uri === undefined) return offerSample();
      const document = await vscode.workspace.openTextDocument(uri);
      await vscode.window.showTextDocument(document);
      const problems = diagnostics.check(document);
      const fine = vscode.l10n.t('{0}: no problem found', vscode.workspace.asRelativePath(uri));
      if (problems > 0) await vscode.commands.executeCommand('workbench.actions.view.problems');
      else void vscode.window.showInformationMessage(fine);
    },
    trySample: async (folder?: vscode.Uri) => {
      if (requireTrust()) await trySample(services, folder instanceof vscode.Uri ? folder : undefined);
    },
    refresh: async () => {
      await configs.refresh();
      await runs.refresh();
    },
  } satisfies Record<CommandName, (...args: never[]) => unknown>;

  async function commandArguments(argument: PairArgument | RunArgument): Promise<string[] | undefined> {
    if (argument !== undefined && 'run' in argument && argument.run?.directory) {
      return (await readRequest(argument.run.directory))?.arguments;
    }
    const chosen = await chosenPair(argument as PairArgument);
    return chosen && ['audit', chosen.config.fsPath, '--pair', chosen.pair];
  }
}

/** Nothing is executed in a folder that the user has not trusted. */
function requireTrust(): boolean {
  if (vscode.workspace.isTrusted) return true;
  void vscode.window.showWarningMessage(vscode.l10n.t('Backcompat runs nothing in a folder that is not trusted.'));
  return false;
}

async function offerSample(): Promise<void> {
  const sample = vscode.l10n.t('Try the Sample');
  const answer = await vscode.window.showInformationMessage(
    vscode.l10n.t('No backcompat.json or *.compat.json with a pair was found in this workspace.'),
    sample,
  );
  if (answer === sample) await vscode.commands.executeCommand(commandIds.trySample);
}

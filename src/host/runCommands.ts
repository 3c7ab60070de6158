import { existsSync } from 'node:fs';
import path from 'node:path';
import * as vscode from 'vscode';
import { RUN_FILES } from '../core/contract/runs.ts';
import { isLocked } from '../core/runs/lock.ts';
import { requestCancel, requestPause } from '../core/runs/runDirectory.ts';
import { chosenRun, type RunArgument, requireTrust } from './commandArguments.ts';
import type { RunNotices } from './runNotices.ts';
import type { RunPanels } from './runPanel.ts';
import type { Services } from './services.ts';
import { resumeRun, type StartableRun, startRun } from './startRun.ts';
import { isResumable } from './words.ts';

/** Starts a run, shows its panel, and says later how it ended. */
export async function startAndShow(
  services: Services,
  panels: RunPanels,
  notices: RunNotices,
  run: StartableRun,
): Promise<void> {
  await showStarted(services, panels, notices, await startRun(services, run));
}

async function showStarted(services: Services, panels: RunPanels, notices: RunNotices, directory: string) {
  await notices.expect(directory);
  await services.runs.refresh();
  panels.open(directory);
}

/** Commands about runs that exist. */
export function runCommands(services: Services, panels: RunPanels, notices: RunNotices) {
  const { runs, log } = services;
  const none = () => vscode.l10n.t('There are no runs yet.');
  return {
    openRun: async (argument: RunArgument) => {
      const directory = await chosenRun(argument, runs.runs, {
        title: vscode.l10n.t('Open which run?'),
        none: none(),
      });
      if (directory !== undefined) panels.open(directory);
    },
    openRunFolder: async (argument: RunArgument) => {
      const words = { title: vscode.l10n.t('The folder of which run?'), none: none() };
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
    pauseRun: async (argument: RunArgument) => {
      const trainings = runs.liveRuns.filter(({ kind }) => kind === 'train');
      const words = { title: vscode.l10n.t('Pause which training?'), none: vscode.l10n.t('No training is going on.') };
      const directory = await chosenRun(argument, trainings, words);
      if (directory === undefined) return;
      await requestPause(directory);
      await runs.refresh();
    },
    resumeRun: async (argument: RunArgument) => {
      if (!requireTrust()) return;
      const words = {
        title: vscode.l10n.t('Resume which training?'),
        none: vscode.l10n.t('There is no training that was paused, cancelled or stopped.'),
      };
      const directory = await chosenRun(argument, runs.runs.filter(isResumable), words);
      if (directory !== undefined) await showStarted(services, panels, notices, await resumeRun(services, directory));
    },
    deleteRun: async (argument: RunArgument) => {
      const ended = runs.runs.filter((run) => run.state !== 'running');
      const words = { title: vscode.l10n.t('Delete which run?'), none: vscode.l10n.t('There is no run to delete.') };
      const directory = await chosenRun(argument, ended, words);
      if (directory === undefined) return;
      const remove = vscode.l10n.t('Delete');
      const question = vscode.l10n.t('Delete this run and everything that it has made?');
      const answer = await vscode.window.showWarningMessage(question, { modal: true, detail: directory }, remove);
      if (answer !== remove) return;
      // A live run would go on writing into the folder that has gone; it may have been resumed meanwhile.
      if (isLocked(directory)) {
        void vscode.window.showWarningMessage(vscode.l10n.t('This run is going on: cancel it before it is deleted.'));
        return;
      }
      await vscode.workspace.fs.delete(vscode.Uri.file(directory), { recursive: true, useTrash: false });
      await runs.refresh();
    },
    showLog: async (argument: RunArgument) => {
      const directory = argument?.run?.directory;
      if (!directory) return log.show();
      const file = path.join(directory, RUN_FILES.log);
      if (existsSync(file)) await vscode.window.showTextDocument(vscode.Uri.file(file), { preview: true });
      else void vscode.window.showInformationMessage(vscode.l10n.t('This run has written no log.'));
    },
  };
}

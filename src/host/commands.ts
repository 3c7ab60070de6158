import * as vscode from 'vscode';
import { asBackcompatError, isCancellation } from '../core/contract/errors.ts';
import { checkpointCommands } from './checkpointCommands.ts';
import {
  chosenPair,
  chosenTraining,
  type PairArgument,
  type RunArgument,
  requireTrust,
  type TrainingArgument,
} from './commandArguments.ts';
import type { ComparePanels } from './comparePanel.ts';
import { configCommands } from './configCommands.ts';
import { commandIds } from './ids.ts';
import { newAudit } from './newAudit.ts';
import { reportCommands } from './reportCommands.ts';
import { runCommands, startAndShow } from './runCommands.ts';
import type { RunNotices } from './runNotices.ts';
import type { RunPanels } from './runPanel.ts';
import type { Services } from './services.ts';
import type { StartableRun } from './startRun.ts';
import { runInTerminal } from './terminalTask.ts';
import { trainModel } from './trainModel.ts';
import { trySample } from './trySample.ts';

type CommandName = keyof typeof commandIds;

/** What shows pages. */
export interface Panels {
  runs: RunPanels;
  comparisons: ComparePanels;
}

/** Registers every command of {@link commandIds}; errors end in one message and in the log. */
export function registerCommands(services: Services, panels: Panels, notices: RunNotices): vscode.Disposable {
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

function handlersOf(services: Services, { runs, comparisons }: Panels, notices: RunNotices) {
  const start = (run: StartableRun) => startAndShow(services, runs, notices, run);
  return {
    ...runCommands(services, runs, notices),
    ...reportCommands(services, comparisons),
    ...configCommands(services),
    ...checkpointCommands(services, start),
    newAudit: async () => {
      if (!requireTrust()) return;
      const run = await newAudit(services);
      if (run !== undefined) await start(run);
    },
    runAudit: async (argument: PairArgument) => {
      if (!requireTrust()) return;
      const run = await chosenPair(services, argument);
      if (run !== undefined) await start(run);
    },
    runTraining: async (argument: TrainingArgument) => {
      if (!requireTrust()) return;
      const run = await chosenTraining(services, argument);
      if (run !== undefined) await start(run);
    },
    /** From a pair, from the run whose report made somebody want it, or from nothing. */
    trainModel: async (argument: PairArgument | RunArgument) => {
      if (!requireTrust()) return;
      const run =
        argument !== undefined && 'run' in argument ? services.runs.find(argument.run?.directory ?? '') : undefined;
      const ofRun =
        run?.kind === 'audit' && run.configFile !== null ? { config: run.configFile, pair: run.name } : undefined;
      const given = argument === undefined || 'run' in argument ? ofRun : (argument as PairArgument);
      const chosen = await chosenPair(services, given, vscode.l10n.t('Train a model for which pair?'));
      if (chosen === undefined) return;
      await services.configs.refresh();
      const config = services.configs.configs.find(({ uri }) => uri.fsPath === chosen.config.fsPath);
      const pair = config?.pairs.find(({ name }) => name === chosen.name);
      if (config === undefined || pair === undefined) {
        throw new Error(vscode.l10n.t('The pair {0} is not in its config any more.', chosen.name));
      }
      await start(await trainModel(services, config, pair));
    },
    installTfjs: async () => {
      if (!requireTrust()) return;
      const args = ['runtime', 'install', 'tfjs'];
      await runInTerminal(services.context, { args, name: vscode.l10n.t('install the TensorFlow.js runtime') });
    },
    trySample: async (folder?: vscode.Uri) => {
      if (requireTrust()) await trySample(services, folder instanceof vscode.Uri ? folder : undefined);
    },
  } satisfies Record<CommandName, (...args: never[]) => unknown>;
}

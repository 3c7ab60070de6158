import * as vscode from 'vscode';
import {
  chosenPair,
  offerStart,
  type PairArgument,
  type RunArgument,
  type TrainingArgument,
} from './commandArguments.ts';
import { commandText } from './commandLine.ts';
import { showInConfig } from './configStore.ts';
import { isConfig } from './diagnostics.ts';
import { pickConfig } from './pickers.ts';
import { readRequest } from './reportFile.ts';
import type { Services } from './services.ts';
import { argumentsOf, type StartableRun } from './startRun.ts';

type Anything = PairArgument | TrainingArgument | RunArgument;

/** Commands about configs and what is in them. */
export function configCommands(services: Services) {
  const { configs, runs, diagnostics } = services;

  async function startable(argument: Exclude<Anything, RunArgument> | undefined): Promise<StartableRun | undefined> {
    if (argument === undefined || 'pair' in argument)
      return chosenPair(services, argument, vscode.l10n.t('Which pair?'));
    return 'kind' in argument
      ? { kind: 'train', config: argument.config.uri, name: argument.block.name }
      : { kind: 'train', config: vscode.Uri.file(argument.config), name: argument.training };
  }

  async function commandArguments(argument: Anything): Promise<string[] | undefined> {
    if (argument !== undefined && 'run' in argument) {
      return argument.run?.directory ? (await readRequest(argument.run.directory))?.arguments : undefined;
    }
    const run = await startable(argument as Exclude<Anything, RunArgument> | undefined);
    return run && argumentsOf(run);
  }

  return {
    copyCliCommand: async (argument: Anything) => {
      const args = await commandArguments(argument);
      if (args === undefined) return;
      await vscode.env.clipboard.writeText(commandText(args));
      vscode.window.setStatusBarMessage(vscode.l10n.t('Command copied'), 3000);
    },
    revealInConfig: async (argument: PairArgument | TrainingArgument) => {
      const run = await startable(argument);
      if (run !== undefined) await showInConfig(run.config, [run.kind === 'audit' ? 'pairs' : 'training', run.name]);
    },
    validateConfig: async () => {
      const open = vscode.window.activeTextEditor?.document;
      const uri = open && isConfig(open) ? open.uri : await pickConfig(configs.configs);
      if (uri === undefined) return offerStart();
      const document = await vscode.workspace.openTextDocument(uri);
      await vscode.window.showTextDocument(document);
      const problems = await diagnostics.check(document);
      const fine = vscode.l10n.t('{0}: no problem found', vscode.workspace.asRelativePath(uri));
      if (problems > 0) await vscode.commands.executeCommand('workbench.actions.view.problems');
      else void vscode.window.showInformationMessage(fine);
    },
    refresh: async () => {
      await configs.refresh();
      await runs.refresh();
      services.checkpoints.refresh();
    },
  };
}

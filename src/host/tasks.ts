import path from 'node:path';
import * as vscode from 'vscode';
import type { ConfigStore } from './configStore.ts';
import { taskType } from './ids.ts';
import { threadArguments } from './runtime.ts';
import { terminalTask } from './terminalTask.ts';

/** As in package.json's `taskDefinitions`. */
interface ConfigTaskDefinition extends vscode.TaskDefinition {
  type: typeof taskType;
  command: 'audit' | 'train';
  /** Relative to the workspace folder; `backcompat.json` when left out. */
  config?: string;
  /** Of `audit`; all pairs of the config when left out. */
  pair?: string;
  /** Of `train`: the training block; the only one when left out. */
  name?: string;
}

/** A task for each pair and training block of each config; and those that the user wrote into tasks.json. */
export class ConfigTasks implements vscode.TaskProvider {
  readonly #context: vscode.ExtensionContext;
  readonly #configs: ConfigStore;

  constructor(context: vscode.ExtensionContext, configs: ConfigStore) {
    this.#context = context;
    this.#configs = configs;
  }

  async provideTasks(): Promise<vscode.Task[]> {
    // The first question may come before the first search has ended.
    if (this.#configs.configs.length === 0) await this.#configs.refresh();
    return this.#configs.configs.flatMap((found) => {
      const folder = vscode.workspace.getWorkspaceFolder(found.uri);
      if (folder === undefined) return [];
      const config = path.posix.relative(folder.uri.path, found.uri.path);
      return [
        ...found.pairs.map(({ name: pair }) => this.#task({ type: taskType, command: 'audit', config, pair }, folder)),
        ...found.training.map(({ name }) => this.#task({ type: taskType, command: 'train', config, name }, folder)),
      ];
    });
  }

  resolveTask(task: vscode.Task): vscode.Task | undefined {
    const { definition, scope } = task;
    if (definition.command !== 'audit' && definition.command !== 'train') return undefined;
    const folder = typeof scope === 'object' ? scope : vscode.workspace.workspaceFolders?.[0];
    // VS Code wants the very definition back that it asked about.
    return folder && this.#task(definition as ConfigTaskDefinition, folder);
  }

  #task(definition: ConfigTaskDefinition, folder: vscode.WorkspaceFolder): vscode.Task {
    const { command, config = 'backcompat.json' } = definition;
    const [option, chosen] = command === 'audit' ? ['--pair', definition.pair] : ['--name', definition.name];
    const what = chosen ?? config;
    const task = terminalTask(this.#context, {
      definition,
      name: `${command} ${what}`,
      args: [command, config, ...(chosen === undefined ? [] : [option, chosen]), ...threadArguments()],
      scope: folder,
      cwd: folder.uri.fsPath,
    });
    if (command === 'audit') task.group = vscode.TaskGroup.Test;
    task.detail =
      command === 'audit'
        ? vscode.l10n.t('Audit of {0}; fails when a gate fails', what)
        : vscode.l10n.t('Training of {0} and the audit of its result; fails when a gate fails', what);
    return task;
  }
}

import path from 'node:path';
import * as vscode from 'vscode';
import type { ConfigStore } from './configStore.ts';
import { problemMatcherName, taskType } from './ids.ts';
import { runtimeOf, threadArguments } from './runtime.ts';

/** As in package.json's `taskDefinitions`. */
interface AuditTaskDefinition extends vscode.TaskDefinition {
  type: typeof taskType;
  command: 'audit';
  /** Relative to the workspace folder; `backcompat.json` when left out. */
  config?: string;
  /** All pairs of the config when left out. */
  pair?: string;
}

/** A task for each pair of each config; and those that the user wrote into tasks.json. */
export class AuditTasks implements vscode.TaskProvider {
  readonly #context: vscode.ExtensionContext;
  readonly #configs: ConfigStore;

  constructor(context: vscode.ExtensionContext, configs: ConfigStore) {
    this.#context = context;
    this.#configs = configs;
  }

  async provideTasks(): Promise<vscode.Task[]> {
    // The first question may come before the first search has ended.
    if (this.#configs.configs.length === 0) await this.#configs.refresh();
    return this.#configs.configs.flatMap((config) => {
      const folder = vscode.workspace.getWorkspaceFolder(config.uri);
      if (folder === undefined) return [];
      const file = path.posix.relative(folder.uri.path, config.uri.path);
      return config.pairs.map((pair) =>
        this.#task({ type: taskType, command: 'audit', config: file, pair: pair.name }, folder),
      );
    });
  }

  resolveTask(task: vscode.Task): vscode.Task | undefined {
    const { definition, scope } = task;
    if (definition.command !== 'audit') return undefined;
    const folder = typeof scope === 'object' ? scope : vscode.workspace.workspaceFolders?.[0];
    // VS Code wants the very definition back that it asked about.
    return folder && this.#task(definition as AuditTaskDefinition, folder);
  }

  #task(definition: AuditTaskDefinition, folder: vscode.WorkspaceFolder): vscode.Task {
    const runtime = runtimeOf(this.#context);
    const config = definition.config ?? 'backcompat.json';
    const pair = definition.pair === undefined ? [] : ['--pair', definition.pair];
    const execution = new vscode.ProcessExecution(
      runtime.command,
      [runtime.script, 'audit', config, ...pair, ...threadArguments()],
      { cwd: folder.uri.fsPath, env: runtime.env },
    );
    const what = definition.pair ?? config;
    const task = new vscode.Task(definition, folder, `audit ${what}`, taskType, execution, `$${problemMatcherName}`);
    task.group = vscode.TaskGroup.Test;
    task.detail = vscode.l10n.t('Audit of {0}; fails when a gate fails', what);
    task.presentationOptions = { reveal: vscode.TaskRevealKind.Always, clear: true };
    return task;
  }
}

import * as vscode from 'vscode';
import { problemMatcherName, taskType } from './ids.ts';
import { runtimeOf } from './runtime.ts';

/** A command of the command line as a task in a terminal, where it shows its progress and is ended by Ctrl+C. */
export function terminalTask(
  context: vscode.ExtensionContext,
  {
    definition,
    name,
    args,
    scope,
    cwd,
  }: {
    definition: vscode.TaskDefinition;
    name: string;
    args: readonly string[];
    scope: vscode.WorkspaceFolder | vscode.TaskScope.Workspace;
    cwd?: string;
  },
): vscode.Task {
  const runtime = runtimeOf(context);
  const execution = new vscode.ProcessExecution(runtime.command, [runtime.script, ...args], { cwd, env: runtime.env });
  const task = new vscode.Task(definition, scope, name, taskType, execution, `$${problemMatcherName}`);
  task.presentationOptions = { reveal: vscode.TaskRevealKind.Always, clear: true };
  return task;
}

/** Runs a command that makes no run directory, for the user to watch. */
export async function runInTerminal(
  context: vscode.ExtensionContext,
  { args, name, cwd }: { args: readonly string[]; name: string; cwd?: string },
): Promise<void> {
  const definition = { type: taskType, command: args[0] as string };
  const scope = vscode.workspace.workspaceFolders?.[0] ?? vscode.TaskScope.Workspace;
  await vscode.tasks.executeTask(terminalTask(context, { definition, name, args, scope, cwd }));
}

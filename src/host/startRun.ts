import path from 'node:path';
import * as vscode from 'vscode';
import { runCommandLine } from './commandLine.ts';
import { contextKeys } from './ids.ts';
import { runtimeOf, threadArguments } from './runtime.ts';
import type { Services } from './services.ts';

/** The detached start only reads the config and makes the run directory. */
const START_TIMEOUT_MS = 60_000;

/** A run that can be started: of a pair, or of a training block. */
export type StartableRun =
  | { kind: 'audit'; config: vscode.Uri; name: string }
  | { kind: 'train'; config: vscode.Uri; name: string };

/** Arguments of the command line that makes such a run. */
export function argumentsOf({ kind, config, name }: StartableRun): string[] {
  return [kind, config.fsPath, kind === 'audit' ? '--pair' : '--name', name];
}

/**
 * Starts a run as a process of its own, which outlives this window.
 * @returns the run's directory
 * @throws Error with what the command line said when it did not start
 */
export async function startRun(services: Services, run: StartableRun): Promise<string> {
  // What the user sees is what is run.
  const unsaved = vscode.workspace.textDocuments.find((document) => {
    return document.isDirty && document.uri.toString() === run.config.toString();
  });
  await unsaved?.save();
  const title =
    run.kind === 'audit'
      ? vscode.l10n.t('Starting the audit of {0}', run.name)
      : vscode.l10n.t('Starting the training of {0}', run.name);
  return startDetached(services, argumentsOf(run), path.dirname(run.config.fsPath), title);
}

/** Goes on with a training that ended before its end. @returns its directory @throws as {@link startRun} */
export function resumeRun(services: Services, directory: string): Promise<string> {
  const title = vscode.l10n.t('Resuming {0}', path.basename(directory));
  return startDetached(services, ['train', '--resume', directory], path.dirname(directory), title);
}

async function startDetached(
  { context, log }: Services,
  command: readonly string[],
  cwd: string,
  title: string,
): Promise<string> {
  const args = [...command, ...threadArguments(), '--detach'];
  log.info(`backcompat ${args.join(' ')}`);
  const result = await vscode.window.withProgress({ location: vscode.ProgressLocation.Window, title }, () =>
    runCommandLine(runtimeOf(context), args, { cwd, timeoutMs: START_TIMEOUT_MS }).catch(async (cause: unknown) => {
      await vscode.commands.executeCommand('setContext', contextKeys.runtimeFailed, true);
      throw cause;
    }),
  );
  await vscode.commands.executeCommand('setContext', contextKeys.runtimeFailed, false);
  const { exitStatus, stdout, stderr } = result;
  if (stderr.trim() !== '') log.info(stderr.trim());
  const directory = stdout.trim().split('\n').at(-1) ?? '';
  if (exitStatus !== 0 || !path.isAbsolute(directory)) {
    throw new Error(stderr.trim() || vscode.l10n.t('The run did not start (exit status {0}).', exitStatus));
  }
  log.info(`run directory: ${directory}`);
  return directory;
}

import path from 'node:path';
import * as vscode from 'vscode';
import { runCommandLine } from './commandLine.ts';
import { runtimeOf, threadArguments } from './runtime.ts';
import type { Services } from './services.ts';

/** The detached start only reads the config and makes the run directory. */
const START_TIMEOUT_MS = 60_000;

/**
 * Starts the audit of a pair as a process of its own, which outlives this window.
 * @returns the run's directory
 * @throws Error with what the command line said when it did not start
 */
export async function startAudit({ context, log }: Services, config: vscode.Uri, pair: string): Promise<string> {
  // What the user sees is what is audited.
  const unsaved = vscode.workspace.textDocuments.find((document) => {
    return document.isDirty && document.uri.toString() === config.toString();
  });
  await unsaved?.save();
  const args = ['audit', config.fsPath, '--pair', pair, ...threadArguments(), '--detach'];
  log.info(`backcompat ${args.join(' ')}`);
  const { exitStatus, stdout, stderr } = await vscode.window.withProgress(
    { location: vscode.ProgressLocation.Window, title: vscode.l10n.t('Starting the audit of {0}', pair) },
    () => runCommandLine(runtimeOf(context), args, { cwd: path.dirname(config.fsPath), timeoutMs: START_TIMEOUT_MS }),
  );
  if (stderr.trim() !== '') log.info(stderr.trim());
  const directory = stdout.trim().split('\n').at(-1) ?? '';
  if (exitStatus !== 0 || !path.isAbsolute(directory)) {
    throw new Error(stderr.trim() || vscode.l10n.t('The audit did not start (exit status {0}).', exitStatus));
  }
  log.info(`run directory: ${directory}`);
  return directory;
}

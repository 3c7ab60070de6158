import { existsSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import * as vscode from 'vscode';
import { runCommandLine } from './commandLine.ts';
import { runtimeOf } from './runtime.ts';
import type { Services } from './services.ts';

const SAMPLE_FOLDER = 'backcompat-sample';
/** It trains three small models: two minutes on two cores, longer on a busy machine. */
const TIMEOUT_MS = 1_800_000;

/** Makes the sample workspace where the user says (or in `folder`) and opens it. */
export async function trySample({ context, log }: Services, folder?: vscode.Uri): Promise<void> {
  const target = folder ?? (await askFolder());
  if (target === undefined) return;
  // Made before: opened as it is, with its runs.
  if (!existsSync(path.join(target.fsPath, 'backcompat.json'))) {
    const args = ['demo', target.fsPath, '--quiet'];
    log.info(`backcompat ${args.join(' ')}`);
    const title = vscode.l10n.t(
      'Making the sample workspace: three small models are trained, which takes about two minutes',
    );
    const { exitStatus, stderr } = await vscode.window.withProgress(
      { location: vscode.ProgressLocation.Notification, title },
      () => runCommandLine(runtimeOf(context), args, { timeoutMs: TIMEOUT_MS }),
    );
    if (exitStatus !== 0) throw new Error(stderr.trim() || vscode.l10n.t('The sample could not be made.'));
  }
  // A window with work in it is left alone.
  const forceNewWindow = vscode.workspace.workspaceFolders !== undefined;
  await vscode.commands.executeCommand('vscode.openFolder', target, { forceNewWindow });
}

async function askFolder(): Promise<vscode.Uri | undefined> {
  const usual = path.join(os.homedir(), SAMPLE_FOLDER);
  const choice = await vscode.window.showQuickPick(
    [
      {
        label: usual,
        description: vscode.l10n.t('10,000 digits, three models that are trained now, about 10 MB'),
        elsewhere: false,
      },
      { label: vscode.l10n.t('Choose a folder…'), description: '', elsewhere: true },
    ],
    { title: vscode.l10n.t('Where shall the sample workspace be?') },
  );
  if (choice === undefined) return undefined;
  if (!choice.elsewhere) return vscode.Uri.file(usual);
  const folders = await vscode.window.showOpenDialog({
    canSelectFiles: false,
    canSelectFolders: true,
    openLabel: vscode.l10n.t('Make the Sample Here'),
  });
  return folders?.[0] && vscode.Uri.joinPath(folders[0], SAMPLE_FOLDER);
}

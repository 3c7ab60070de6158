import path from 'node:path';
import * as vscode from 'vscode';
import type { InspectedFile } from '../protocol/worker.ts';
import { chosenFile } from './checkpointStep.ts';
import { type CheckpointArgument, requireTrust } from './commandArguments.ts';
import { runCommandLine } from './commandLine.ts';
import { partsOf, referencesOf } from './configParts.ts';
import { inspectFiles } from './inspectFiles.ts';
import { type KnownSides, newAudit } from './newAudit.ts';
import { runtimeOf, threadArguments } from './runtime.ts';
import type { Services } from './services.ts';
import type { StartableRun } from './startRun.ts';
import { runInTerminal } from './terminalTask.ts';
import { recognisedWords } from './words.ts';

const INSPECT_TIMEOUT_MS = 60_000;

/** Commands about model files and tables. */
export function checkpointCommands(services: Services, startAudit: (run: StartableRun) => Promise<void>) {
  const { context, checkpoints } = services;

  /** The file a command is about; undefined when the user leaves. */
  async function chosen(argument: CheckpointArgument, title: string): Promise<string | undefined> {
    if (argument instanceof vscode.Uri) return argument.fsPath;
    if (argument !== undefined) return argument.checkpoint.uri.fsPath;
    const files = await checkpoints.files();
    const browse = { label: `$(folder-opened) ${vscode.l10n.t('Choose a file…')}`, alwaysShow: true };
    const choices = files.map(({ label, uri, inspection }) => ({
      label,
      description: inspection === null ? undefined : recognisedWords(inspection),
      file: uri.fsPath,
    }));
    const picked = await vscode.window.showQuickPick([...choices, { ...browse, file: null }], {
      title,
      matchOnDescription: true,
    });
    if (picked === undefined) return undefined;
    return picked.file ?? (await vscode.window.showOpenDialog({ title }))?.[0]?.fsPath;
  }

  async function use(argument: CheckpointArgument, side: keyof KnownSides, title: string): Promise<void> {
    if (!requireTrust()) return;
    const file = await chosen(argument, title);
    if (file === undefined) return;
    const [inspection] = await inspectFiles(services, [file]);
    const known = inspection ? chosenFile(file, inspection) : null;
    if (known === null) {
      void vscode.window.showWarningMessage(`${path.basename(file)}: ${reasonOf(inspection ?? null)}`);
      return;
    }
    const run = await newAudit(services, { [side]: nameInConfig(file) ?? known });
    if (run !== undefined) await startAudit(run);

    /** A file that the config names already is used by its name. */
    function nameInConfig(named: string) {
      const [config] = services.configs.configs;
      if (config === undefined || known === null) return null;
      const folder = path.dirname(config.uri.fsPath);
      const found = partsOf(config.text).checkpoints.find(({ files }) => {
        return files.some((one) => path.resolve(folder, one) === named);
      });
      return found && { ...known, answer: { kind: 'named' as const, name: found.name, isTable: found.isTable } };
    }
  }

  return {
    inspectCheckpoint: async (argument: CheckpointArgument) => {
      if (!requireTrust()) return;
      const file = await chosen(argument, vscode.l10n.t('Inspect which file?'));
      if (file === undefined) return;
      const args = ['inspect', file];
      const { exitStatus, stdout, stderr } = await runCommandLine(runtimeOf(context), args, {
        timeoutMs: INSPECT_TIMEOUT_MS,
      });
      if (exitStatus !== 0) throw new Error(stderr.trim());
      await services.texts.show(`${path.basename(file)} (${vscode.l10n.t('inspected')}).txt`, stdout);
    },
    useAsOld: (argument: CheckpointArgument) => use(argument, 'old', vscode.l10n.t('Which file is the old model?')),
    useAsNew: (argument: CheckpointArgument) => use(argument, 'new', vscode.l10n.t('Which file is the new model?')),
    embedDataset: async (argument: CheckpointArgument) => {
      if (!requireTrust()) return;
      const file = await chosen(argument, vscode.l10n.t('Embed with which model?'));
      if (file === undefined) return;
      const sets = services.configs.configs.flatMap((config) => {
        return referencesOf(partsOf(config.text)).map((reference) => ({
          label: reference,
          detail: config.label,
          config,
        }));
      });
      if (sets.length === 0) {
        void vscode.window.showInformationMessage(vscode.l10n.t('No config of this workspace names a dataset.'));
        return;
      }
      const title = vscode.l10n.t('Embed which dataset?');
      const dataset = await vscode.window.showQuickPick(sets, { title, matchOnDetail: true });
      if (dataset === undefined) return;
      const folder = path.dirname(dataset.config.uri.fsPath);
      const proposal = `${path.basename(file, path.extname(file))}-${dataset.label.replaceAll('/', '-')}.npy`;
      const target = await vscode.window.showSaveDialog({
        defaultUri: vscode.Uri.file(path.join(folder, proposal)),
        filters: { NumPy: ['npy'] },
      });
      if (target === undefined) return;
      // With its preprocessing, where the config knows the file.
      const known = partsOf(dataset.config.text).checkpoints.find(({ files }) => {
        return files.some((one) => path.resolve(folder, one) === file);
      });
      const config = ['--config', dataset.config.uri.fsPath];
      const args = ['embed', known?.name ?? file, dataset.label, '-o', target.fsPath, '--force', ...config];
      await runInTerminal(context, {
        args: [...args, ...threadArguments()],
        name: `embed ${path.basename(file)}`,
        cwd: folder,
      });
    },
  };
}

function reasonOf(inspection: InspectedFile | null): string {
  return inspection?.audit.reason ?? vscode.l10n.t('It is no model and no table of vectors.');
}

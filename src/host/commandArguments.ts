import * as vscode from 'vscode';
import type { RunSummary } from '../core/contract/runs.ts';
import type { CheckpointNode } from './checkpointsView.ts';
import { commandIds } from './ids.ts';
import type { PairsNode } from './pairsView.ts';
import { pickNamed, pickRun } from './pickers.ts';
import type { Services } from './services.ts';
import type { StartableRun } from './startRun.ts';

/** A command starts from a tree item, from a page or a test (plain values), or from the palette (nothing). */
export type RunArgument = { run?: { directory?: string | null } } | undefined;
export type PairArgument = Extract<PairsNode, { kind: 'pair' }> | { config: string; pair: string } | undefined;
export type TrainingArgument =
  | Extract<PairsNode, { kind: 'training' }>
  | { config: string; training: string }
  | undefined;
/** A report's file, from a page. */
export type ReportArgument = { report: string };
export type CheckpointArgument = CheckpointNode | vscode.Uri | undefined;

/** The directory of the run that a command is about; undefined when there is none, or the user leaves. */
export async function chosenRun(
  argument: RunArgument,
  candidates: readonly RunSummary[],
  words: { title: string; none: string },
): Promise<string | undefined> {
  if (argument?.run?.directory) return argument.run.directory;
  if (candidates.length === 0) {
    void vscode.window.showInformationMessage(words.none);
    return undefined;
  }
  return (await pickRun(candidates, words.title))?.directory;
}

/** The pair that a command is about. */
export async function chosenPair(
  { configs }: Services,
  argument: PairArgument,
  title = vscode.l10n.t('Audit which pair?'),
): Promise<StartableRun | undefined> {
  if (argument !== undefined) {
    if ('kind' in argument) return { kind: 'audit', config: argument.config.uri, name: argument.pair.name };
    return { kind: 'audit', config: vscode.Uri.file(argument.config), name: argument.pair };
  }
  await configs.refresh();
  const pairs = configs.configs.flatMap((config) =>
    config.pairs.map(({ name, old, new: newer }) => ({
      config,
      name,
      description: vscode.l10n.t('{0} (old) against {1} (new)', old, newer),
    })),
  );
  if (pairs.length === 0) {
    void offerStart();
    return undefined;
  }
  const chosen = await pickNamed(pairs, title);
  return chosen && { kind: 'audit', config: chosen.config.uri, name: chosen.name };
}

/** The training block that a command is about. */
export async function chosenTraining(
  { configs }: Services,
  argument: TrainingArgument,
): Promise<StartableRun | undefined> {
  if (argument !== undefined) {
    if ('kind' in argument) return { kind: 'train', config: argument.config.uri, name: argument.block.name };
    return { kind: 'train', config: vscode.Uri.file(argument.config), name: argument.training };
  }
  await configs.refresh();
  const blocks = configs.configs.flatMap((config) =>
    config.training.map(({ name, from, old }) => ({
      config,
      name,
      description: old === null ? from : vscode.l10n.t('{0}, compatible with {1}', from, old),
    })),
  );
  if (blocks.length === 0) {
    const make = vscode.l10n.t('Train Compatible Model…');
    const none = vscode.l10n.t('No config of this workspace has a training block.');
    if ((await vscode.window.showInformationMessage(none, make)) === make) {
      await vscode.commands.executeCommand(commandIds.trainModel);
    }
    return undefined;
  }
  const chosen = await pickNamed(blocks, vscode.l10n.t('Train which block?'));
  return chosen && { kind: 'train', config: chosen.config.uri, name: chosen.name };
}

/** Nothing is executed in a folder that the user has not trusted. */
export function requireTrust(): boolean {
  if (vscode.workspace.isTrusted) return true;
  void vscode.window.showWarningMessage(vscode.l10n.t('Backcompat runs nothing in a folder that is not trusted.'));
  return false;
}

/** What to do where no config is. */
export async function offerStart(): Promise<void> {
  const make = vscode.l10n.t('New Audit…');
  const sample = vscode.l10n.t('Try the Sample');
  const answer = await vscode.window.showInformationMessage(
    vscode.l10n.t('No backcompat.json or *.compat.json with a pair was found in this workspace.'),
    make,
    sample,
  );
  if (answer === make) await vscode.commands.executeCommand(commandIds.newAudit);
  if (answer === sample) await vscode.commands.executeCommand(commandIds.trySample);
}

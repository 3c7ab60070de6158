import path from 'node:path';
import * as vscode from 'vscode';
import type { InspectedFile } from '../protocol/worker.ts';
import type { CheckpointAnswer } from './auditDraft.ts';
import type { ConfigParts } from './configParts.ts';
import { findLabels } from './findItems.ts';
import { inspectFiles } from './inspectFiles.ts';
import { type back, type Choice, chooseStep, groupLine, type StepPosition } from './multiStep.ts';
import type { Services } from './services.ts';
import { recognisedWords, trainableWords } from './words.ts';

/** A checkpoint that a step has found out about. */
export interface ChosenCheckpoint {
  answer: CheckpointAnswer;
  /** Null where the file does not say it. */
  dimension: number | null;
  /** Vectors of a table. */
  count: number | null;
}

const browse = Symbol('browse');

export interface CheckpointStepOptions {
  placeholder: string;
  /** Of the config that the answer is for, and its folder. */
  parts: ConfigParts;
  folder: string;
  /** Left out of the list: it is the other side. */
  except?: CheckpointAnswer;
}

/** Asks for a checkpoint: of the config, of the workspace, or of any file; only what can be loaded is taken. */
export async function askCheckpoint(
  services: Services,
  position: StepPosition,
  options: CheckpointStepOptions,
): Promise<ChosenCheckpoint | typeof back> {
  for (;;) {
    const chosen = await chooseStep(position, options.placeholder, () => choicesOf(services, options));
    if (chosen !== browse) return chosen;
    const file = await askFile(options.placeholder);
    if (file === undefined) continue;
    const [inspection] = await inspectFiles(services, [file]);
    const found = inspection ? chosenFile(file, inspection) : null;
    if (found !== null) return found;
    const { reason, remedy } = inspection?.audit ?? {};
    const why = reason ?? vscode.l10n.t('It is no model and no table of vectors.');
    const text = `${path.basename(file)}: ${[inspection?.format, why, remedy].filter(Boolean).join(' · ')}`;
    await vscode.window.showWarningMessage(text, { modal: true });
  }
}

async function choicesOf(
  services: Services,
  { parts, folder, except }: CheckpointStepOptions,
): Promise<Choice<ChosenCheckpoint | typeof browse>[]> {
  const files = await services.checkpoints.files();
  const exceptName = except?.kind === 'named' ? except.name : null;
  const exceptFile = except === undefined || except.kind === 'named' ? null : except.file;
  const named: Choice<ChosenCheckpoint>[] = parts.checkpoints
    .filter(({ name }) => name !== exceptName)
    .map(({ name, isTable, files: own }) => {
      const file = own[0] === undefined ? null : path.resolve(folder, own[0]);
      const inspection = files.find(({ uri }) => uri.fsPath === file)?.inspection ?? null;
      return {
        label: name,
        description: inspection === null ? undefined : wordsOf(inspection),
        detail: own[0],
        value: {
          answer: { kind: 'named', name, isTable },
          dimension: inspection?.dimension ?? null,
          count: inspection?.count ?? null,
        },
      };
    });
  const trained: Choice<ChosenCheckpoint>[] = parts.training
    .filter(({ name }) => name !== exceptName)
    .map(({ name, dimension }) => ({
      label: name,
      description: [vscode.l10n.t('result of the latest training'), dimension && `${dimension}-d`]
        .filter(Boolean)
        .join(', '),
      value: { answer: { kind: 'named', name, isTable: false }, dimension, count: null },
    }));
  const inConfig = new Set(
    parts.checkpoints.flatMap(({ files: own }) => own.map((file) => path.resolve(folder, file))),
  );
  const found = files.flatMap(({ uri, label, inspection }): Choice<ChosenCheckpoint>[] => {
    if (inspection === null || inConfig.has(uri.fsPath) || uri.fsPath === exceptFile) return [];
    const value = chosenFile(uri.fsPath, inspection);
    return value === null ? [] : [{ label, description: wordsOf(inspection), value }];
  });
  return [
    ...(named.length + trained.length > 0 ? [groupLine(vscode.l10n.t('In the config')), ...named, ...trained] : []),
    ...(found.length > 0 ? [groupLine(vscode.l10n.t('Found in the workspace')), ...found] : []),
    groupLine(vscode.l10n.t('Elsewhere')),
    { label: `$(folder-opened) ${vscode.l10n.t('Choose a file…')}`, value: browse, alwaysShow: true },
  ];
}

function wordsOf(inspection: InspectedFile): string {
  return [recognisedWords(inspection), trainableWords(inspection)].filter(Boolean).join(', ');
}

/** A file as a checkpoint; null when it cannot be one. */
export function chosenFile(file: string, inspection: InspectedFile): ChosenCheckpoint | null {
  const { audit, dimension, count } = inspection;
  if (!audit.possible) return null;
  if (audit.as === 'checkpoint') return { answer: { kind: 'model', file }, dimension, count: null };
  if (audit.as === 'vectors') return { answer: { kind: 'table', file, labels: null }, dimension, count };
  return null;
}

async function askFile(title: string): Promise<string | undefined> {
  const filters = {
    [vscode.l10n.t('Models and tables of vectors')]: [
      'onnx',
      'json',
      'npy',
      'npz',
      'safetensors',
      'parquet',
      'csv',
      'tsv',
      'jsonl',
    ],
  };
  const files = await vscode.window.showOpenDialog({ title, filters });
  return files?.[0]?.fsPath;
}

/** Asks for the labels of a table's rows; null: the table has them itself. */
export async function askLabels(
  services: Services,
  position: StepPosition,
  { file, count }: { file: string; count: number | null },
): Promise<string | null | typeof back> {
  const placeholder = vscode.l10n.t('Labels of {0}: a file with one row for each vector', path.basename(file));
  for (;;) {
    const chosen = await chooseStep<string | null | typeof browse>(position, placeholder, async () => [
      ...(await findLabels(services, count)).map(({ answer, label, inspection }) => ({
        label,
        description: recognisedWords(inspection),
        value: answer.kind === 'labels' ? answer.file : null,
      })),
      ...(/\.(parquet|csv|tsv|jsonl|npz)$/i.test(file)
        ? [{ label: vscode.l10n.t('The table holds them itself'), value: null }]
        : []),
      { label: `$(folder-opened) ${vscode.l10n.t('Choose a file…')}`, value: browse, alwaysShow: true },
    ]);
    if (chosen !== browse) return chosen;
    const filters = { [vscode.l10n.t('Label files')]: ['csv', 'tsv', 'jsonl', 'parquet'] };
    const files = await vscode.window.showOpenDialog({ title: placeholder, filters });
    if (files?.[0]) return files[0].fsPath;
  }
}

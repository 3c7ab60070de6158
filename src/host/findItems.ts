import path from 'node:path';
import * as vscode from 'vscode';
import type { InspectedFile } from '../protocol/worker.ts';
import type { ItemsAnswer } from './auditDraft.ts';
import { inspectFiles } from './inspectFiles.ts';
import type { Services } from './services.ts';

/** Data that was found in the workspace, with what was recognised. */
export interface FoundItems {
  answer: Exclude<ItemsAnswer, { kind: 'named' }>;
  label: string;
  inspection: InspectedFile;
}

/** Enough to find every folder of classes; a folder has many images. */
const MAX_IMAGES = 5000;
const MAX_TABLES = 100;
const MAX_FOLDERS = 20;
const excluded = '**/{node_modules,.backcompat,.git,.venv,venv}/**';

/** Folders of images by class, and IDX files with their labels. */
export async function findDatasets(services: Services): Promise<FoundItems[]> {
  const images = await vscode.workspace.findFiles('**/*.{png,jpg,jpeg,webp}', excluded, MAX_IMAGES);
  const folders = [...new Set(images.map(({ fsPath }) => path.dirname(path.dirname(fsPath))))].slice(0, MAX_FOLDERS);
  const idx = (await vscode.workspace.findFiles('**/*idx*-ubyte', excluded, MAX_TABLES)).map(({ fsPath }) => fsPath);
  const all = [...folders, ...idx];
  const inspections = await inspectFiles(services, all);
  const inspectionOf = (file: string) => inspections[all.indexOf(file)] ?? null;
  const found: FoundItems[] = [];
  for (const folder of folders) {
    const inspection = inspectionOf(folder);
    if (inspection === null || !isUsable(inspection, 'dataset')) continue;
    found.push({ answer: { kind: 'images', folder }, label: vscode.workspace.asRelativePath(folder), inspection });
  }
  for (const file of idx) {
    const inspection = inspectionOf(file);
    if (inspection?.kind !== 'idx-images') continue;
    // As everybody names them: x-images.idx3-ubyte beside x-labels.idx1-ubyte.
    const labels = file.replace(/images/i, 'labels').replace(/idx3/, 'idx1');
    if (inspectionOf(labels)?.kind !== 'idx-labels') continue;
    const label = vscode.workspace.asRelativePath(file);
    found.push({ answer: { kind: 'idx', images: file, labels }, label, inspection });
  }
  return found;
}

/** Label files with as many rows as a table has vectors. */
export async function findLabels(services: Services, rows: number | null): Promise<FoundItems[]> {
  const uris = await vscode.workspace.findFiles('**/*.{csv,tsv,jsonl,parquet}', excluded, MAX_TABLES);
  const files = uris.map(({ fsPath }) => fsPath);
  const inspections = await inspectFiles(services, files);
  return files.flatMap((file, index) => {
    const inspection = inspections[index] ?? null;
    if (inspection === null || !isUsable(inspection, 'labels')) return [];
    if (rows !== null && inspection.count !== null && inspection.count !== rows) return [];
    return [{ answer: { kind: 'labels', file }, label: vscode.workspace.asRelativePath(file), inspection }];
  });
}

function isUsable({ audit }: InspectedFile, as: 'dataset' | 'labels'): boolean {
  return audit.possible && audit.as === as;
}

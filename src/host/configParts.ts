import path from 'node:path';
import { parse } from 'jsonc-parser';
import * as vscode from 'vscode';
import { type ConfigEntry, changeBetween, editConfig } from './configEdits.ts';
import type { FoundConfig } from './configStore.ts';

/** What pickers offer of a config: its names, whatever else is wrong with it. */
export interface ConfigParts {
  checkpoints: { name: string; isTable: boolean; files: string[] }[];
  datasets: { name: string; parts: string[] }[];
  pairs: Record<string, { queries?: string; gallery?: string } | null>;
  training: { name: string; dimension: number | null }[];
}

/** @param text null for a config that is to be made */
export function partsOf(text: string | null): ConfigParts {
  const config = (text === null ? {} : (parse(text, [], { allowTrailingComma: true }) ?? {})) as Record<
    string,
    unknown
  >;
  const entries = (key: string) => {
    const section = config[key];
    return typeof section === 'object' && section !== null && !Array.isArray(section)
      ? Object.entries(section as Record<string, Record<string, unknown> | null>)
      : [];
  };
  return {
    checkpoints: entries('checkpoints').map(([name, definition]) => ({
      name,
      isTable: definition?.vectors !== undefined,
      files: [definition?.model, definition?.vectors].flat().filter((file) => typeof file === 'string'),
    })),
    datasets: entries('datasets').map(([name, definition]) => ({ name, parts: Object.keys(definition?.splits ?? {}) })),
    pairs: Object.fromEntries(entries('pairs')) as ConfigParts['pairs'],
    training: entries('training').map(([name, block]) => ({
      name,
      dimension: typeof block?.dimension === 'number' ? block.dimension : null,
    })),
  };
}

/** Every `dataset` and `dataset/part` of a config. */
export function referencesOf({ datasets }: ConfigParts): string[] {
  return datasets.flatMap(({ name, parts }) => [...parts.map((part) => `${name}/${part}`), name]);
}

/** Where a new config of this workspace goes. */
export function newConfigUri(): vscode.Uri | undefined {
  const folder = vscode.workspace.workspaceFolders?.[0];
  return folder && vscode.Uri.joinPath(folder.uri, 'backcompat.json');
}

/** Sets keys of a config, through its editor where one is open, and saves it; makes it where there is none. */
export async function writeConfigEntries(
  uri: vscode.Uri,
  known: FoundConfig | undefined,
  entries: readonly ConfigEntry[],
): Promise<void> {
  if (known === undefined) {
    await vscode.workspace.fs.writeFile(uri, Buffer.from(editConfig('', entries), 'utf8'));
    return;
  }
  const document = await vscode.workspace.openTextDocument(uri);
  const text = document.getText();
  const edit = new vscode.WorkspaceEdit();
  const change = changeBetween(text, editConfig(text, entries));
  edit.replace(uri, rangeOf(document, change), change.text);
  if (!(await vscode.workspace.applyEdit(edit)) || !(await document.save())) {
    throw new Error(vscode.l10n.t('{0} could not be changed.', path.basename(uri.fsPath)));
  }
}

export function rangeOf(
  document: vscode.TextDocument,
  { offset, length }: { offset: number; length: number },
): vscode.Range {
  return new vscode.Range(document.positionAt(offset), document.positionAt(offset + length));
}

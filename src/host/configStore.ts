import path from 'node:path';
import { parse } from 'jsonc-parser';
import * as vscode from 'vscode';
import { configGlobs } from './ids.ts';

/** A pair as the tree, the pickers and the tasks need it. */
export interface ConfiguredPair {
  name: string;
  old: string;
  new: string;
}

/** A training block. */
export interface ConfiguredTraining {
  name: string;
  from: string;
  /** Null: trained without an old model. */
  old: string | null;
}

export interface FoundConfig {
  uri: vscode.Uri;
  /** Path for people: relative to the workspace. */
  label: string;
  text: string;
  /** Also those of a config that has problems elsewhere. */
  pairs: ConfiguredPair[];
  training: ConfiguredTraining[];
}

const excluded = '**/{node_modules,.backcompat,.git}/**';
/** More configs than this in one workspace are somebody's test data. */
const MAX_CONFIGS = 200;

/** The configs of the workspace, kept up to date. */
export class ConfigStore implements vscode.Disposable {
  #configs: readonly FoundConfig[] = [];
  #refreshing: Promise<void> | null = null;
  #again = false;
  readonly #log: vscode.LogOutputChannel;
  readonly #changed = new vscode.EventEmitter<void>();
  readonly #subscriptions: vscode.Disposable[] = [this.#changed];
  readonly onDidChange = this.#changed.event;

  constructor(log: vscode.LogOutputChannel) {
    this.#log = log;
    for (const glob of configGlobs) {
      const watcher = vscode.workspace.createFileSystemWatcher(`**/${glob}`);
      const refresh = () => void this.refresh();
      watcher.onDidCreate(refresh);
      watcher.onDidChange(refresh);
      watcher.onDidDelete(refresh);
      this.#subscriptions.push(watcher);
    }
    this.#subscriptions.push(vscode.workspace.onDidChangeWorkspaceFolders(() => void this.refresh()));
  }

  get configs(): readonly FoundConfig[] {
    return this.#configs;
  }

  /** Searches again; calls during a search make one more, not many. */
  refresh(): Promise<void> {
    if (this.#refreshing !== null) {
      this.#again = true;
      return this.#refreshing;
    }
    this.#refreshing = this.#search().finally(() => {
      this.#refreshing = null;
      if (!this.#again) return;
      this.#again = false;
      void this.refresh();
    });
    return this.#refreshing;
  }

  async #search(): Promise<void> {
    const found = await vscode.workspace.findFiles(`**/{${configGlobs.join(',')}}`, excluded, MAX_CONFIGS);
    const configs = await Promise.all(found.map((uri) => this.#read(uri)));
    // Shortest path first: the config of the workspace's own folder leads.
    const sorted = configs.filter((config) => config !== null);
    sorted.sort((a, b) => a.label.split('/').length - b.label.split('/').length || a.label.localeCompare(b.label));
    this.#configs = sorted;
    this.#changed.fire();
  }

  async #read(uri: vscode.Uri): Promise<FoundConfig | null> {
    try {
      const text = Buffer.from(await vscode.workspace.fs.readFile(uri)).toString('utf8');
      return { uri, label: vscode.workspace.asRelativePath(uri), text, ...namedIn(text) };
    } catch (error) {
      this.#log.warn(`${uri.fsPath} cannot be read: ${error}`);
      return null;
    }
  }

  dispose(): void {
    vscode.Disposable.from(...this.#subscriptions).dispose();
  }
}

type Named = Record<string, Record<string, unknown> | null>;

/** The pairs and training blocks that a config's text names, whatever else is wrong with it. */
export function namedIn(text: string): Pick<FoundConfig, 'pairs' | 'training'> {
  const config: unknown = parse(text, [], { allowTrailingComma: true });
  const entriesOf = (key: 'pairs' | 'training') => {
    const named = (config as Record<string, unknown> | null | undefined)?.[key];
    return typeof named === 'object' && named !== null ? Object.entries(named as Named) : [];
  };
  const pairs = entriesOf('pairs').flatMap(([name, pair]) => {
    const { versions, ...given } = pair ?? {};
    // Of many versions the last is held against the first.
    const [old, newer] = Array.isArray(versions) ? [versions[0], versions.at(-1)] : [given.old, given.new];
    return typeof old === 'string' && typeof newer === 'string' ? [{ name, old, new: newer }] : [];
  });
  const training = entriesOf('training').flatMap(([name, block]) => {
    const { from, old } = block ?? {};
    return typeof from === 'string' ? [{ name, from, old: typeof old === 'string' ? old : null }] : [];
  });
  return { pairs, training };
}

/** Opens a config at a key, for example `['gates', 'criterion.map']`; at its top when there is no such key. */
export async function showInConfig(uri: vscode.Uri, jsonPath: readonly string[]): Promise<void> {
  const document = await vscode.workspace.openTextDocument(uri);
  const { positionOf } = await import('../core/config/checkConfig.ts');
  const { line, column } = positionOf(document.getText(), jsonPath);
  const position = new vscode.Position(line - 1, column - 1);
  await vscode.window.showTextDocument(document, { selection: new vscode.Range(position, position) });
}

/** A path for people: of the home folder and the workspace only what says something. */
export function shortPath(file: string): string {
  const relative = vscode.workspace.asRelativePath(file);
  return relative === file ? path.basename(file) : relative;
}

import path from 'node:path';
import * as vscode from 'vscode';
import type { RunKind, RunSummary } from '../core/contract/runs.ts';
import { listRuns } from '../core/runs/listRuns.ts';
import type { ConfigStore } from './configStore.ts';

/** While something runs its progress moves every second; otherwise watchers tell and polling is the net below them. */
const LIVE_INTERVAL_MS = 1000;
const IDLE_INTERVAL_MS = 5000;

/** The runs of the workspace, whoever started them, newest first. Their directories are the only state. */
export class RunStore implements vscode.Disposable {
  #runs: readonly RunSummary[] = [];
  #known = '';
  #timer: NodeJS.Timeout | undefined;
  #refreshing: Promise<void> | null = null;
  #disposed = false;
  readonly #configs: ConfigStore;
  readonly #log: vscode.LogOutputChannel;
  readonly #changed = new vscode.EventEmitter<void>();
  readonly #subscriptions: vscode.Disposable[];
  readonly onDidChange = this.#changed.event;

  constructor(configs: ConfigStore, log: vscode.LogOutputChannel) {
    this.#configs = configs;
    this.#log = log;
    const watcher = vscode.workspace.createFileSystemWatcher('**/.backcompat/runs/*');
    const refresh = () => void this.refresh();
    this.#subscriptions = [
      this.#changed,
      watcher,
      watcher.onDidCreate(refresh),
      watcher.onDidDelete(refresh),
      configs.onDidChange(refresh),
    ];
  }

  get runs(): readonly RunSummary[] {
    return this.#runs;
  }

  get liveRuns(): readonly RunSummary[] {
    return this.#runs.filter((run) => run.state === 'running');
  }

  /** Runs of one pair or training block, newest first. */
  runsOf(config: vscode.Uri, name: string, kind: RunKind): readonly RunSummary[] {
    return this.#runs.filter((run) => run.configFile === config.fsPath && run.name === name && run.kind === kind);
  }

  find(directory: string): RunSummary | undefined {
    return this.#runs.find((run) => run.directory === directory);
  }

  /** Reads the run directories now. Never rejects: what cannot be read is logged and left out. */
  refresh(): Promise<void> {
    this.#refreshing ??= this.#read().finally(() => {
      this.#refreshing = null;
      this.#schedule();
    });
    return this.#refreshing;
  }

  async #read(): Promise<void> {
    const runs = await Promise.all(this.#folders().map((folder) => this.#list(folder)));
    const unique = new Map(runs.flat().map((run) => [run.directory, run]));
    this.#runs = [...unique.values()].sort((a, b) => b.created.localeCompare(a.created));
    const known = JSON.stringify(this.#runs);
    if (known === this.#known || this.#disposed) return;
    this.#known = known;
    this.#changed.fire();
  }

  async #list(folder: string): Promise<RunSummary[]> {
    try {
      return await listRuns(folder);
    } catch (error) {
      this.#log.warn(`The runs of ${folder} cannot be listed: ${error}`);
      return [];
    }
  }

  /** Runs lie beside the config they belong to, those of tables in the folder they were started in. */
  #folders(): string[] {
    const workspace = (vscode.workspace.workspaceFolders ?? []).map(({ uri }) => uri.fsPath);
    const configs = this.#configs.configs.map(({ uri }) => path.dirname(uri.fsPath));
    return [...new Set([...workspace, ...configs])];
  }

  #schedule(): void {
    clearTimeout(this.#timer);
    if (this.#disposed) return;
    const interval = this.liveRuns.length > 0 ? LIVE_INTERVAL_MS : IDLE_INTERVAL_MS;
    this.#timer = setTimeout(() => void this.refresh(), interval);
  }

  dispose(): void {
    this.#disposed = true;
    clearTimeout(this.#timer);
    vscode.Disposable.from(...this.#subscriptions).dispose();
  }
}

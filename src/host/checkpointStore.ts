import { existsSync } from 'node:fs';
import path from 'node:path';
import { parse } from 'jsonc-parser';
import * as vscode from 'vscode';
import type { InspectedFile } from '../protocol/worker.ts';
import type { FoundConfig } from './configStore.ts';
import { inspectFiles } from './inspectFiles.ts';
import type { Services } from './services.ts';

/** A model file or a table of vectors: of the workspace, or named by a config. */
export interface CheckpointFile {
  uri: vscode.Uri;
  /** Path for people. */
  label: string;
  /** Names that configs give it. */
  names: string[];
  /** Null: missing, or not looked at. */
  inspection: InspectedFile | null;
}

/** Beyond this a folder is an archive, and nobody reads a list of it. */
const MAX_FILES = 200;
const excluded = '**/{node_modules,.backcompat,.git,.venv,venv,__pycache__}/**';
const checkpointGlob = '**/{*.onnx,*.npy,*.npz,*.safetensors,*.parquet,model.json}';

/** Model files and tables of the workspace and of its configs; each is looked at when it is asked for. */
export class CheckpointStore implements vscode.Disposable {
  readonly #services: Pick<Services, 'worker' | 'log' | 'configs'>;
  readonly #changed = new vscode.EventEmitter<void>();
  readonly #subscriptions: vscode.Disposable[];
  readonly onDidChange = this.#changed.event;

  constructor(services: Pick<Services, 'worker' | 'log' | 'configs'>) {
    this.#services = services;
    const watcher = vscode.workspace.createFileSystemWatcher(checkpointGlob);
    const fire = (uri?: vscode.Uri) => {
      // Runs write models by the minute; their folder is not searched.
      if (uri === undefined || !uri.path.includes('/.backcompat/')) this.#changed.fire();
    };
    this.#subscriptions = [
      this.#changed,
      watcher,
      watcher.onDidCreate(fire),
      watcher.onDidChange(fire),
      watcher.onDidDelete(fire),
      services.configs.onDidChange(() => fire()),
    ];
  }

  /** Forgets nothing, but says that there may be something new. */
  refresh(): void {
    this.#changed.fire();
  }

  /** Searches, and has looked at what was found; in a folder that is not trusted files are listed only. */
  async files(): Promise<CheckpointFile[]> {
    const named = this.#services.configs.configs.flatMap(filesNamedBy);
    const found = await vscode.workspace.findFiles(checkpointGlob, excluded, MAX_FILES);
    const paths = new Set([...named.map(({ file }) => file), ...found.map(({ fsPath }) => fsPath)]);
    const files = [...paths].filter((file) => existsSync(file)).sort();
    const inspections = vscode.workspace.isTrusted ? await inspectFiles(this.#services, files) : [];
    return files
      .map((file, index) => ({
        uri: vscode.Uri.file(file),
        label: vscode.workspace.asRelativePath(file),
        names: named.filter((one) => one.file === file).map(({ name }) => name),
        inspection: inspections[index] ?? null,
      }))
      .filter(isCheckpoint);
  }

  dispose(): void {
    vscode.Disposable.from(...this.#subscriptions).dispose();
  }
}

/** A `model.json` or a table may be anything; what a config names stays in the list, to say what is wrong with it. */
function isCheckpoint({ uri, names, inspection }: CheckpointFile): boolean {
  if (names.length > 0 || inspection === null) return true;
  const { as, possible } = inspection.audit;
  if (as === 'labels' || as === 'dataset' || as === 'config') return false;
  return possible || /\.onnx$/i.test(uri.path);
}

/** Absolute paths of the models and vectors that a config names. */
function filesNamedBy({ uri, text }: FoundConfig): { name: string; file: string }[] {
  const { checkpoints } = (parse(text, [], { allowTrailingComma: true }) ?? {}) as { checkpoints?: unknown };
  if (typeof checkpoints !== 'object' || checkpoints === null) return [];
  return Object.entries(checkpoints as Record<string, { model?: unknown; vectors?: unknown } | null>).flatMap(
    ([name, definition]) =>
      [definition?.model, definition?.vectors]
        .flat()
        .filter((file) => typeof file === 'string')
        .map((file) => ({ name, file: path.resolve(path.dirname(uri.fsPath), file) })),
  );
}

/** From the answers of "New Audit…" to what is written into the config. Pure. */
import path from 'node:path';
import { type ConfigEntry, freeName, pathInConfig } from './configEdits.ts';

export type CheckpointAnswer =
  /** One that the config names already. */
  | { kind: 'named'; name: string; isTable: boolean }
  | { kind: 'model'; file: string }
  /** `labels` null: the table holds them itself. */
  | { kind: 'table'; file: string; labels: string | null };

export type ItemsAnswer =
  /** `dataset` or `dataset/part` of the config. */
  | { kind: 'named'; reference: string }
  | { kind: 'images'; folder: string }
  | { kind: 'idx'; images: string; labels: string }
  /** Rows of a label file, for vectors. */
  | { kind: 'labels'; file: string };

export type DimensionRule = 'slice' | 'pad' | 'project';

export interface AuditAnswers {
  old: CheckpointAnswer;
  new: CheckpointAnswer;
  gallery: ItemsAnswer;
  /** Null: the gallery's own items are asked, each without itself. */
  queries: string | null;
  /** Needed where the lengths of vectors differ. */
  dimensionRule: DimensionRule | null;
  name: string;
}

/** What the config has already. */
export interface ConfigNames {
  datasets: readonly string[];
  checkpoints: readonly string[];
}

/** The name that a file's checkpoint or dataset gets: the file's, without what is the same everywhere. */
export function nameOfFile(file: string): string {
  const base = path.basename(file).replace(/\.(onnx|npy|npz|safetensors|parquet|csv|tsv|jsonl|json|idx\d-ubyte)$/i, '');
  // TensorFlow.js calls every model model.json: its folder tells them apart.
  return base === 'model' ? path.basename(path.dirname(file)) || base : base;
}

/** The keys that the answers add to a config in `folder`, whose names are taken already. */
export function auditEntries(
  answers: AuditAnswers,
  folder: string,
  { datasets, checkpoints }: ConfigNames,
): ConfigEntry[] {
  const entries: ConfigEntry[] = [];
  const relative = (file: string) => pathInConfig(folder, file, path.relative);
  const taken = { datasets: [...datasets], checkpoints: [...checkpoints] };
  const add = (section: 'datasets' | 'checkpoints', base: string, value: unknown): string => {
    const name = freeName(base, taken[section]);
    taken[section].push(name);
    entries.push({ path: [section, name], value });
    return name;
  };
  const checkpoint = (answer: CheckpointAnswer): string => {
    if (answer.kind === 'named') return answer.name;
    if (answer.kind === 'model') return add('checkpoints', nameOfFile(answer.file), { model: relative(answer.file) });
    const labels = answer.labels === null ? {} : { labels: relative(answer.labels) };
    return add('checkpoints', nameOfFile(answer.file), { vectors: relative(answer.file), ...labels });
  };
  const items = (answer: ItemsAnswer): string => {
    switch (answer.kind) {
      case 'named':
        return answer.reference;
      case 'images':
        return add('datasets', path.basename(answer.folder), { images: relative(answer.folder) });
      case 'idx': {
        const idx = { images: relative(answer.images), labels: relative(answer.labels) };
        return add('datasets', nameOfFile(answer.images), { idx });
      }
      case 'labels':
        return add('datasets', nameOfFile(answer.file), { items: relative(answer.file) });
    }
  };
  const pair = {
    old: checkpoint(answers.old),
    new: checkpoint(answers.new),
    ...(answers.queries === null ? {} : { queries: answers.queries }),
    gallery: items(answers.gallery),
    ...(answers.dimensionRule === null ? {} : { dimensionRule: answers.dimensionRule }),
  };
  entries.push({ path: ['pairs', answers.name], value: pair });
  return entries;
}

/** What is wrong with the name of a new pair or block; null when nothing is. */
export function problemOfName(name: string, taken: readonly string[]): string | null {
  if (name === '') return 'A name is needed.';
  if (name.includes('/')) return 'A name has no slash.';
  return taken.includes(name) ? `There is a ${JSON.stringify(name)} already.` : null;
}

import { stat } from 'node:fs/promises';
import path from 'node:path';
import type { Adapter } from '../audit/adapters/adapter.ts';
import { saveAdapter } from '../audit/adapters/adapterFile.ts';
import { joinClasses } from '../audit/auditInput.ts';
import { fitOnAll } from '../audit/crossFit.ts';
import { tooFewItems } from '../audit/project.ts';
import { findPairs, type LoadedConfig, loadConfig, type Pair } from '../config/loadConfig.ts';
import type { ModelCheckpointDefinition } from '../config/schema.ts';
import { BackcompatError } from '../contract/errors.ts';
import type { AdapterKind, Report } from '../contract/report.ts';
import { appendAdapter } from '../models/appendAdapter.ts';
import { openCheckpoint } from '../models/checkpoint.ts';
import { auditPair } from './auditPair.ts';
import type { AuditHooks, AuditOverrides, AuditRequest } from './auditRequest.ts';
import { loadPair } from './loadPair.ts';
import { namedCheckpoint } from './namedCheckpoint.ts';
import { loadItems } from './pairDefinition.ts';

/** An adapter to be fitted for a pair, saved, and judged. Paths are absolute. */
export interface AdaptRequest {
  config: string;
  pair: string;
  kind: AdapterKind;
  /** Items to fit on, `dataset` or `dataset/part`; null: those of the pair. */
  data: string | null;
  out: string;
  /** Where to write the new checkpoint with the adapter behind it; null: nowhere. */
  append: string | null;
  /** Overwrite what is there. */
  force: boolean;
  overrides: Omit<AuditOverrides, 'dimensionRule' | 'adapter' | 'adapterFile'>;
  threads: number | null;
  cacheFolder: string;
}

export interface AdaptResult {
  /** What was fitted, and on how many items. */
  description: string;
  items: number;
  /** Items of the pair that the adapter was fitted on, too; 0 where it was judged by cross-fitting. */
  shared: number;
  /** Of new vectors through an adapter, never on items that it was fitted on where that can be helped. */
  report: Report;
}

/**
 * Fits the adapter of a pair on paired vectors, saves it as ONNX and audits what it gives.
 * - With `data`, it is fitted on those items, and the file itself is audited on the pair's.
 * - Without, it is fitted on all items of the pair that both models have seen; the audit is that of two others of its kind, each fitted on
 *   one half of them and judged on the other, so that no item is judged by a map that knows it.
 * @throws BackcompatError `in-use` for a file that is there; `dimension-mismatch` for too few items; see `auditPair`, `appendAdapter`
 */
export async function adaptPair(request: AdaptRequest, hooks: AuditHooks): Promise<AdaptResult> {
  const { kind, data, out, append } = request;
  for (const file of request.force ? [] : [out, append]) if (file !== null) await refuseExisting(file);
  const loaded = await loadConfig(request.config);
  const [found] = findPairs(loaded, request.pair);
  if (found === undefined) throw new BackcompatError('internal', `findPairs gave no pair "${request.pair}".`);
  if (found.versions !== null) {
    throw new BackcompatError(
      'usage',
      `The pair ${JSON.stringify(found.name)} compares many versions; an adapter is for two models.`,
      {
        remedy: 'Add a pair with "old" and "new" to the config.',
      },
    );
  }
  const { adapterFile: _, ...pair } = found;
  if (append !== null) await refuseTable(loaded, pair.new);
  const auditOf = (asked: Pair, overrides: AuditOverrides): AuditRequest => ({
    source: { kind: 'trained', file: loaded.file, pair: asked, models: {} },
    overrides,
    threads: request.threads,
    cacheFolder: request.cacheFolder,
  });
  const fitting = await loadPair(
    auditOf(data === null ? pair : { ...pair, queries: data, gallery: data }, request.overrides),
    hooks,
  );
  let adapter: Adapter;
  let items: number;
  let ids: Set<string>;
  try {
    hooks.progress.phase(`Fitting ${kind}`);
    const input = {
      ...joinClasses(fitting.queries, fitting.gallery),
      vectors: fitting.vectors,
      protocol: fitting.protocol,
    };
    const fitted = await fitOnAll(input, kind, request.threads, hooks);
    if (fitted === null) throw tooFewItems(input, kind);
    ({ adapter, items } = fitted);
    ids = new Set(fitting.queries.ids);
  } finally {
    await fitting.close();
  }
  let report: Report;
  if (data === null) {
    // Before anything is written: halves may be too small where the whole is not.
    report = await auditPair(auditOf(pair, { ...request.overrides, dimensionRule: 'project', adapter: kind }), hooks);
    await saveAdapter(adapter, out);
  } else {
    await saveAdapter(adapter, out);
    report = await auditPair(auditOf(pair, { ...request.overrides, adapterFile: out }), hooks);
  }
  if (append !== null) {
    hooks.progress.phase('Appending');
    await appendTo(loaded, pair.new, request, append, hooks);
  }
  const shared = data === null ? 0 : await sharedItems(loaded, pair, ids);
  return { description: adapter.description, items, shared, report };
}

async function sharedItems(loaded: LoadedConfig, pair: Pair, fitted: ReadonlySet<string>): Promise<number> {
  const { queries, gallery } = await loadItems(loaded, pair);
  return [...new Set([...queries.ids, ...gallery.ids])].filter((id) => fitted.has(id)).length;
}

async function refuseTable(loaded: LoadedConfig, name: string): Promise<void> {
  const { definition } = await namedCheckpoint(loaded, name);
  if ('vectors' in definition) {
    throw new BackcompatError(
      'bad-model',
      `${JSON.stringify(name)} is a table of vectors, behind which nothing can be put.`,
      {
        place: { field: `checkpoints.${name}` },
        remedy: 'Leave --append out, and map vectors by the adapter: "adapterFile" of the pair.',
      },
    );
  }
}

/** The new checkpoint with the adapter behind it, opened once, so that what cannot be used is said now. */
async function appendTo(
  loaded: LoadedConfig,
  name: string,
  { out, threads }: AdaptRequest,
  file: string,
  { signal }: AuditHooks,
): Promise<void> {
  const { definition, folder } = await namedCheckpoint(loaded, name);
  if ('vectors' in definition) throw new BackcompatError('internal', `${name} became a table.`);
  const checkpoint = await openCheckpoint(name, definition, folder, { threads, signal });
  await checkpoint.close();
  if (checkpoint.kind === 'table') throw new BackcompatError('internal', `${name} became a table.`);
  const { output } = checkpoint;
  await appendAdapter({ model: path.resolve(folder, definition.model), output, adapter: out, out: file });
  const appended = await openCheckpoint(name, { ...settingsFor(definition, folder), model: file, output }, folder, {
    threads,
    signal,
  });
  await appended.close();
}

/** What lies beside a model is not beside its copy. */
function settingsFor(definition: ModelCheckpointDefinition, folder: string): ModelCheckpointDefinition {
  const absolute = (file: string) => path.resolve(folder, file);
  const { preprocess, tokenizer } = definition;
  return {
    ...definition,
    ...(typeof preprocess === 'string' ? { preprocess: absolute(preprocess) } : {}),
    ...(tokenizer === undefined ? {} : { tokenizer: absolute(tokenizer) }),
  };
}

async function refuseExisting(file: string): Promise<void> {
  const there = await stat(file).catch(() => null);
  if (there === null) return;
  throw new BackcompatError('in-use', `${file} exists.`, {
    place: { file },
    remedy: 'Choose another name, or overwrite it with --force.',
  });
}

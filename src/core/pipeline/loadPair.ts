import { createHash } from 'node:crypto';
import type { AuditInput, Version } from '../audit/auditInput.ts';
import { findPairs, loadConfig, resolveProtocol } from '../config/loadConfig.ts';
import type { GateDefinition } from '../config/schema.ts';
import { BackcompatError } from '../contract/errors.ts';
import type { AuditProtocol } from '../contract/protocol.ts';
import type { ModelDescription, UndecidedPolicy } from '../contract/report.ts';
import type { ItemSet } from '../data/itemSet.ts';
import { isNormalised } from '../data/normalised.ts';
import type { VectorSource } from '../data/vectorSource.ts';
import { type Checkpoint, embed, openCheckpoint } from '../models/checkpoint.ts';
import type { AuditHooks, AuditRequest } from './auditRequest.ts';
import { loadTables, type TableSource } from './loadTables.ts';
import { namedCheckpoint } from './namedCheckpoint.ts';
import { applyOverrides, checkGates, hashPair, loadItems, pairProtocol } from './pairDefinition.ts';

/** A pair with everything open that the audit reads. Close it when done. */
export interface LoadedPair {
  name: string;
  queries: ItemSet;
  gallery: ItemSet;
  vectors: AuditInput['vectors'];
  /** Of a pair that compares many. */
  versions?: readonly (Version & { description: ModelDescription })[];
  protocol: AuditProtocol;
  models: { old: ModelDescription; new: ModelDescription; paragon: ModelDescription | null };
  gates: Readonly<Record<string, GateDefinition>>;
  undecided: UndecidedPolicy;
  /** sha256 of the pair's part of the config with defaults filled in; null without a config. */
  configHash: string | null;
  close(): Promise<void>;
}

/** Opens what the request names, and embeds what has no vectors yet. */
export async function loadPair(request: AuditRequest, hooks: AuditHooks): Promise<LoadedPair> {
  const opened: { close(): Promise<void> }[] = [];
  const close = async () => {
    for (const source of opened.splice(0).reverse()) await source.close();
  };
  try {
    const pair =
      request.source.kind === 'tables'
        ? await fromTables(request, request.source, hooks, opened)
        : await fromConfig(request, request.source, hooks, opened);
    return { ...pair, close };
  } catch (error) {
    await close();
    throw error;
  }
}

type Opened = { close(): Promise<void> }[];

async function fromConfig(
  request: AuditRequest,
  source: Exclude<AuditRequest['source'], { kind: 'tables' }>,
  hooks: AuditHooks,
  opened: Opened,
): Promise<Omit<LoadedPair, 'close'>> {
  const loaded = await loadConfig(source.file);
  const pair = source.kind === 'trained' ? source.pair : findPairs(loaded, source.pair)[0];
  if (pair === undefined) throw new BackcompatError('internal', `findPairs gave no pair "${source.pair}".`);
  const models = source.kind === 'trained' ? source.models : {};
  const protocol = pairProtocol(loaded, pair, request.overrides);
  checkGates(loaded, protocol);

  hooks.progress.phase('Reading the datasets');
  const { queries, gallery } = await loadItems(loaded, pair);

  const { threads, cacheFolder } = request;
  const { progress, signal } = hooks;
  const vectorsOf = async (role: string, name: string) => {
    progress.phase(`Embedding with ${role} ${name}`);
    const known = Object.hasOwn(models, name) ? models[name] : undefined;
    const { definition, folder } = known ?? (await namedCheckpoint(loaded, name));
    const checkpoint = await openCheckpoint(name, definition, folder, {
      threads,
      cacheFolder,
      progress,
      signal,
    });
    opened.push(checkpoint);
    for (const note of checkpoint.notes) progress.log('info', `${name}: ${note}`);
    const embedAll = async (items: ItemSet): Promise<VectorSource> => {
      const vectors = await embed(checkpoint, items, { cacheFolder, progress, signal });
      opened.push(vectors);
      return vectors;
    };
    const query = await embedAll(queries).catch((error: unknown) => {
      throw pair.versions === null ? error : versionError(name, checkpoint, error);
    });
    const own = gallery === queries ? query : await embedAll(gallery);
    return { query, gallery: own, description: await describe(checkpoint, query) };
  };
  const versions: (Version & { description: ModelDescription })[] = [];
  for (const name of pair.versions ?? []) {
    versions.push({ name, ...(await vectorsOf(`version ${versions.length + 1},`, name)) });
  }
  const old = versions[0] ?? (await vectorsOf('the old model', pair.old));
  const next = versions[versions.length - 1] ?? (await vectorsOf('the new model', pair.new));
  const paragon = pair.paragon === null ? null : await vectorsOf('the paragon', pair.paragon);

  return {
    name: pair.name,
    queries,
    gallery,
    vectors: {
      oldQuery: old.query,
      newQuery: next.query,
      oldGallery: old.gallery,
      newGallery: next.gallery,
      paragonQuery: paragon?.query ?? null,
      paragonGallery: paragon?.gallery ?? null,
    },
    ...(versions.length > 0 ? { versions } : {}),
    protocol,
    models: { old: old.description, new: next.description, paragon: paragon?.description ?? null },
    gates: loaded.config.gates ?? {},
    undecided: loaded.config.undecided ?? 'report',
    configHash: hashPair(loaded, pair, protocol),
  };
}

async function fromTables(
  request: AuditRequest,
  source: TableSource,
  hooks: AuditHooks,
  opened: Opened,
): Promise<Omit<LoadedPair, 'close'>> {
  return {
    name: 'tables',
    ...(await loadTables(source, request.cacheFolder, hooks, opened)),
    protocol: applyOverrides(resolveProtocol(undefined), request.overrides),
    gates: {},
    undecided: 'report',
    configHash: null,
  };
}

/** A table may hold a gallery only, which does for an old model's column of the matrix but not for its row. */
function versionError(name: string, checkpoint: Checkpoint, error: unknown): unknown {
  if (!(error instanceof BackcompatError) || error.code !== 'bad-data' || checkpoint.kind !== 'table') return error;
  const { place, remedy } = error;
  return new BackcompatError(
    error.code,
    `${error.message} Every version needs vectors of the queries too: its own are what the older galleries are searched with, and what it is measured against.`,
    {
      place,
      remedy: `${remedy ?? ''} Or leave ${JSON.stringify(name)} out of "versions".`.trim(),
      cause: error,
    },
  );
}

async function describe(checkpoint: Checkpoint, vectors: VectorSource): Promise<ModelDescription> {
  return {
    name: checkpoint.name,
    kind: checkpoint.kind,
    path: checkpoint.path,
    dimension: checkpoint.dimension,
    normalised: await isNormalised(vectors),
    fingerprint: await checkpoint.fingerprint(),
  };
}

/** sha256 of ids and labels of both sets: equal means the same items in the same roles. */
export function hashItems(...sets: readonly ItemSet[]): string {
  const hash = createHash('sha256');
  for (const items of sets) {
    hash.update(`${items.count}\0`);
    for (let item = 0; item < items.count; item++) {
      hash.update(`${items.ids[item]}\0${items.classNames[items.labelOf[item] as number]}\0`);
    }
  }
  return hash.digest('hex');
}

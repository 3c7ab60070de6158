import { createHash } from 'node:crypto';
import type { AuditInput } from '../audit/auditInput.ts';
import { BackcompatError } from '../contract/errors.ts';
import type { ModelDescription } from '../contract/report.ts';
import { fingerprintOfFiles } from '../data/files.ts';
import type { ItemSet } from '../data/itemSet.ts';
import { readLabelTable } from '../data/labelTable.ts';
import { isNormalised } from '../data/normalised.ts';
import { agreedItems, readVectorItems } from '../data/vectorItems.ts';
import type { VectorSource } from '../data/vectorSource.ts';
import { openVectors, splitArrayName } from '../data/vectorTable.ts';
import { checkSameLength } from '../models/tableCheckpoint.ts';
import type { AuditHooks, AuditRequest } from './auditRequest.ts';

export type TableSource = Extract<AuditRequest['source'], { kind: 'tables' }>;

export interface LoadedTables {
  queries: ItemSet;
  gallery: ItemSet;
  vectors: AuditInput['vectors'];
  models: { old: ModelDescription; new: ModelDescription; paragon: null };
}

/**
 * Opens the tables of an audit without a config.
 * @param opened gets what must be closed when the audit is done
 * @throws BackcompatError of the readers; `bad-data` when the tables do not fit each other
 */
export async function loadTables(
  source: TableSource,
  cacheFolder: string,
  { progress, signal }: AuditHooks,
  opened: { close(): Promise<void> }[],
): Promise<LoadedTables> {
  progress.phase('Reading the tables');
  const open = async (reference: string): Promise<VectorSource> => {
    const { file, array } = await splitArrayName(reference);
    const vectors = await openVectors(file, { array, cacheFolder, progress, signal });
    opened.push(vectors);
    return vectors;
  };
  const { oldGallery, newGallery, oldQuery, newQuery } = source;
  const gallery = await itemsOf(source.galleryLabels, [oldGallery, newGallery], 'gallery', signal);
  const galleryName = source.galleryLabels ?? gallery.name;
  const old = await openSame(open, oldGallery, gallery, galleryName);
  const next = newGallery === null ? null : await openSame(open, newGallery, gallery, galleryName);

  let queries = gallery;
  let oldQueries = old;
  let newQueries = next;
  if (oldQuery !== null && newQuery !== null) {
    queries = await itemsOf(source.queryLabels, [oldQuery, newQuery], 'query', signal);
    const queryName = source.queryLabels ?? queries.name;
    oldQueries = await openSame(open, oldQuery, queries, queryName);
    newQueries = await openSame(open, newQuery, queries, queryName);
    sameLabelling(gallery, queries);
  }
  if (newQueries === null) {
    throw new BackcompatError('usage', 'There are no vectors of the new model.', {
      remedy: 'Give --new, or --query-old and --query-new.',
    });
  }
  sameDimension(oldQueries, old);
  if (next !== null) sameDimension(newQueries, next);
  return {
    queries,
    gallery,
    vectors: {
      oldQuery: oldQueries,
      newQuery: newQueries,
      oldGallery: old,
      newGallery: next,
      paragonQuery: null,
      paragonGallery: null,
    },
    models: {
      old: await describeTables('old', [oldGallery, oldQuery], oldQueries),
      new: await describeTables('new', [newGallery, newQuery], newQueries),
      paragon: null,
    },
  };
}

/** The items of a label file; without one, what the files of vectors say of them. */
async function itemsOf(
  labels: string | null,
  references: readonly (string | null)[],
  idPrefix: string,
  signal: AbortSignal,
): Promise<ItemSet> {
  if (labels !== null) return readLabelTable(labels, { name: labels, idPrefix, signal });
  const given = references.filter((reference) => reference !== null);
  let agreed: ItemSet | null = null;
  for (const reference of given) {
    const { file, array } = await splitArrayName(reference);
    const items = await readVectorItems(file, { name: reference, idPrefix, array, signal });
    agreed = agreed === null ? items : agreedItems(agreed, items, [given[0] as string, reference]);
  }
  if (agreed === null) throw new BackcompatError('internal', 'No table to read items of.');
  return agreed;
}

async function openSame(
  open: (reference: string) => Promise<VectorSource>,
  reference: string,
  items: ItemSet,
  itemsName: string,
): Promise<VectorSource> {
  const vectors = await open(reference);
  checkSameLength(vectors, items, itemsName);
  return vectors;
}

/** @throws BackcompatError `bad-data` when only one of the two sets has labels */
function sameLabelling(gallery: ItemSet, queries: ItemSet): void {
  if ((gallery.labelled !== false) === (queries.labelled !== false)) return;
  const [bare, option] = gallery.labelled === false ? [gallery, '--labels'] : [queries, '--query-labels'];
  const role = bare === gallery ? 'gallery' : 'queries';
  throw new BackcompatError('bad-data', `The ${role} (${bare.name}) have no labels, the other items have.`, {
    place: { file: bare.name },
    remedy: `Give ${option}, or a column "label" in the file of vectors.`,
  });
}

/** @throws BackcompatError `bad-data` when two tables of one model differ in length of vectors */
function sameDimension(queries: VectorSource, gallery: VectorSource): void {
  if (queries.dimension === gallery.dimension) return;
  throw new BackcompatError(
    'bad-data',
    `${queries.name} has vectors of length ${queries.dimension}, ${gallery.name} of ${gallery.dimension}, but both are said to come from one model.`,
    { place: { file: queries.name }, remedy: 'Check which file belongs to which model.' },
  );
}

async function describeTables(
  name: string,
  references: readonly (string | null)[],
  query: VectorSource,
): Promise<ModelDescription> {
  const given = [...new Set(references.filter((reference) => reference !== null))];
  const split = await Promise.all(given.map(splitArrayName));
  const content = await fingerprintOfFiles(split.map(({ file }) => file));
  const arrays = split.map(({ array }) => array);
  return {
    name,
    kind: 'table',
    path: given.join(', '),
    dimension: query.dimension,
    normalised: await isNormalised(query),
    // Two arrays of one file are two models.
    fingerprint: arrays.every((array) => array === null)
      ? content
      : createHash('sha256')
          .update(JSON.stringify([content, arrays]))
          .digest('hex'),
  };
}

import { createHash } from 'node:crypto';
import path from 'node:path';
import { quotedList } from '../config/closest.ts';
import { BackcompatError } from '../contract/errors.ts';
import type { Progress } from '../contract/runs.ts';
import { badRowsOf } from '../data/badRows.ts';
import { hashContent } from '../data/contentHash.ts';
import type { ItemSet } from '../data/itemSet.ts';
import type { VectorSource } from '../data/vectorSource.ts';
import { cachedVectors } from './cachedVectors.ts';
import { imageVectors } from './embedImages.ts';
import { textVectors } from './embedTexts.ts';
import type { ModelCheckpoint } from './modelCheckpoint.ts';

export interface BatchOptions {
  /** Items a run of the model. Default 64, fewer of large items; a model with a fixed batch ignores it. */
  batchSize?: number;
  progress: Progress;
  signal?: AbortSignal;
}

export interface EmbedOptions extends BatchOptions {
  /** Where vectors of models are kept, by content; made when missing. */
  cacheFolder: string;
}

/**
 * Embeds items with a model; the result lies in the cache under the hash of model and content, and appears there only
 * when complete.
 * @throws BackcompatError `bad-data` for items of another kind than the model takes, and see `embed`
 */
export async function embedItems(
  checkpoint: ModelCheckpoint,
  items: ItemSet,
  options: EmbedOptions,
): Promise<VectorSource> {
  const { progress, signal } = options;
  const name = `${checkpoint.name} on ${items.name}`;
  const produce = producerOf(checkpoint, items);
  const hash = createHash('sha256').update(`backcompat.vectors 1\n${await checkpoint.contentHash()}\n`);
  await hashContent(hash, items, { signal, breathe: () => progress.breathe() });
  const file = path.join(options.cacheFolder, `${hash.digest('hex')}.npy`);

  const { dimension } = checkpoint;
  const vectors = await cachedVectors(
    { file, name, count: items.count, dimension, progress, signal },
    async function* () {
      let start = 0;
      for await (const made of produce(options)) {
        const count = made.length / dimension;
        refuseBadVectors(made, checkpoint, items, start, count);
        yield made;
        start += count;
      }
    },
  );
  return { ...vectors, name };
}

/** Makes the vectors of all items, in order, any number at a time. */
function producerOf(
  { encoder, name }: ModelCheckpoint,
  items: ItemSet,
): (options: BatchOptions) => AsyncGenerator<Float32Array> {
  const { images, texts, count } = items;
  if (encoder.takes === 'images' && images !== null) return (options) => imageVectors(encoder, count, images, options);
  if (encoder.takes === 'texts' && texts !== undefined) return (options) => textVectors(encoder, count, texts, options);
  throw wrongContent({ encoder, name }, items);
}

/** The error for items of another kind than a model takes. */
export function wrongContent(
  { encoder, name }: Pick<ModelCheckpoint, 'encoder' | 'name'>,
  items: ItemSet,
): BackcompatError {
  const kinds = encoder.takes === 'images' ? ['images', 'idx', 'manifest'] : ['text'];
  return new BackcompatError(
    'bad-data',
    `${items.name} has no ${encoder.takes}, so the model ${JSON.stringify(name)} cannot embed it.`,
    { remedy: `Use a dataset of ${quotedList(kinds)}, or a checkpoint of "vectors".` },
  );
}

function refuseBadVectors(
  vectors: Float32Array,
  checkpoint: ModelCheckpoint,
  items: ItemSet,
  start: number,
  count: number,
): void {
  const bad = badRowsOf(vectors, checkpoint.dimension, start, count);
  const item = bad.notFinite[0] ?? bad.zero[0];
  if (item === undefined) return;
  const what = bad.notFinite.length > 0 ? 'NaN or infinite values' : 'zeros only';
  const more = bad.total > 1 ? ` (and ${bad.total - 1} more of its batch)` : '';
  throw new BackcompatError(
    'bad-data',
    `Model ${JSON.stringify(checkpoint.name)} gives ${what} for item ${JSON.stringify(items.ids[item])}${more}.`,
    {
      place: { file: checkpoint.path, row: item + 1 },
      remedy: `Look at the item${checkpoint.encoder.takes === 'images' ? ' and at "preprocess"' : ''}; a half-precision model may overflow.`,
    },
  );
}

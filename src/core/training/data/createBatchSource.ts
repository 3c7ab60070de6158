import { loadMatrix } from '../../audit/vectors.ts';
import { BackcompatError, throwIfCancelled } from '../../contract/errors.ts';
import type { ItemSet } from '../../data/itemSet.ts';
import type { VectorSource } from '../../data/vectorSource.ts';
import { normaliseRows } from '../../numeric/normaliseRows.ts';
import { createRandom } from '../../numeric/random.ts';
import type { BatchField } from '../objectives/objective.ts';
import type { TrainingBatch, TrainingTensor } from '../trainer.ts';
import type { BatchInputs, BatchSource, BatchSourceOptions, ItemFields } from './batchSource.ts';
import { epochOrder } from './epochOrder.ts';
import { createPixelLoader, type PixelLoader } from './pixelLoader.ts';
import { bundledPixelWorker, startPixelThread } from './pixelThread.ts';

const AHEAD = 3;
/** Batches that wait hold no more than this together, but for one: 256 MiB. */
const AHEAD_BYTES = 2 ** 28;
/** Tables of vectors up to this are held in memory (256 MiB), larger ones are read a batch at a time. */
const HELD_VALUES = 2 ** 26;

/** Opens the batches of a set. Close them when done. @throws BackcompatError `bad-data` for a set without items */
export function createBatchSource(items: ItemSet, options: BatchSourceOptions): BatchSource {
  const { fields, seed, itemsPerClass } = options;
  if (items.count === 0) {
    throw new BackcompatError('bad-data', `${items.name} has no items to train on.`, {
      remedy: 'Name a dataset or part that has some.',
    });
  }
  checkLengths(items, options);
  const batchSize = Math.min(options.batchSize, items.count);
  const batchesPerEpoch = Math.floor(items.count / batchSize);
  const feeder = openInputs(items, options);
  const oldVectors = fields.oldVectors && rowsOf(fields.oldVectors);
  const batchBytes = 4 * batchSize * feeder.itemValues;
  const ahead = Math.max(1, Math.min(options.ahead ?? AHEAD, Math.floor(AHEAD_BYTES / batchBytes)));
  let known: { epoch: number; order: Int32Array } | null = null;

  function itemsOf(epoch: number, position: number): Int32Array {
    if (known?.epoch !== epoch) {
      const order = { labelOf: items.labelOf, batchSize, batches: batchesPerEpoch, itemsPerClass, seed };
      known = { epoch, order: epochOrder(epoch, order) };
    }
    return known.order.slice(position * batchSize, (position + 1) * batchSize);
  }

  async function make(epoch: number, position: number): Promise<TrainingBatch> {
    const chosen = itemsOf(epoch, position);
    const [fed, old] = await Promise.all([feeder.feed(chosen, epoch), oldVectors?.(chosen)]);
    const random = createRandom(seed, `chance/${epoch}/${position}`);
    return { count: chosen.length, inputs: fed, fields: fieldsOf(chosen, fields, old, () => random.uniform()) };
  }

  async function inOrderBatch(start: number): Promise<TrainingBatch> {
    const count = Math.min(batchSize, items.count - start);
    const chosen = Int32Array.from({ length: count }, (_, k) => start + k);
    return { count, inputs: await feeder.feed(chosen, null), fields: {} };
  }

  return {
    items: items.count,
    batchSize,
    batchesPerEpoch,
    itemsOf,
    batches: (epoch, position, signal) =>
      aheadOf(ahead, position, batchesPerEpoch, (place) => make(epoch, place), signal),
    inOrder: (signal) =>
      aheadOf(ahead, 0, Math.ceil(items.count / batchSize), (place) => inOrderBatch(place * batchSize), signal),
    close: () => feeder.close(),
  };
}

/** Results `first` to `end` (exclusive) in order, up to `ahead` of them under way while one is used. */
async function* aheadOf<T>(
  ahead: number,
  first: number,
  end: number,
  make: (place: number) => Promise<T>,
  signal: AbortSignal | undefined,
): AsyncGenerator<T> {
  const waiting: Promise<T>[] = [];
  let next = first;
  const fill = (most: number): void => {
    for (; next < end && waiting.length < most; next++) {
      const work = make(next);
      // Awaited later: a failure until then is not an unhandled one.
      work.catch(() => {});
      waiting.push(work);
    }
  };
  try {
    fill(ahead);
    for (let batch = waiting.shift(); batch !== undefined; batch = waiting.shift()) {
      throwIfCancelled(signal);
      const made = await batch;
      throwIfCancelled(signal);
      fill(ahead);
      yield made;
    }
  } finally {
    await Promise.allSettled(waiting);
  }
}

interface Feeder {
  /** About what an item holds, for the bound of what is made ahead. */
  itemValues: number;
  /** @param epoch of the variations; null: none */
  feed(items: Int32Array, epoch: number | null): Promise<Record<string, TrainingTensor>>;
  close(): Promise<void>;
}

function openInputs(items: ItemSet, { inputs, seed, workerFile }: BatchSourceOptions): Feeder {
  if (inputs.kind === 'images') return imageFeeder(items.count, inputs, seed, workerFile);
  if (inputs.kind === 'texts') {
    const { texts, tokenise, feeds } = inputs;
    return {
      itemValues: 1,
      feed: async (chosen) => ({ ...feeds(Array.from(chosen, (item) => tokenise(texts.text(item)))) }),
      async close() {},
    };
  }
  return vectorFeeder(inputs);
}

function vectorFeeder({ vectors, start, parts }: Extract<BatchInputs, { kind: 'vectors' }>): Feeder {
  const read = rowsOf(vectors);
  const { dimension } = vectors;
  return {
    itemValues: dimension,
    async feed(items) {
      const rows = await read(items);
      const fed: Record<string, TrainingTensor> = {};
      let from = start;
      for (const { input, shape } of parts) {
        const values = shape.reduce((product, axis) => product * axis, 1);
        const data = new Float32Array(items.length * values);
        for (let row = 0; row < items.length; row++) {
          data.set(rows.subarray(row * dimension + from, row * dimension + from + values), row * values);
        }
        fed[input] = { shape: [items.length, ...shape], data };
        from += values;
      }
      return fed;
    },
    async close() {},
  };
}

function imageFeeder(
  count: number,
  { input, images, preprocessing, augmentation }: Extract<BatchInputs, { kind: 'images' }>,
  seed: number,
  workerFile: string | null = bundledPixelWorker(),
): Feeder {
  const { height, width, channels, layout } = preprocessing;
  const shape = layout === 'nchw' ? [channels, height, width] : [height, width, channels];
  const setup = { preprocessing, augmentation, seed, items: count };
  // Started with the first batch: a source that is never used costs nothing.
  let loader: PixelLoader | null = null;
  return {
    itemValues: height * width * channels,
    async feed(items, epoch) {
      loader ??= workerFile === null ? createPixelLoader(setup) : startPixelThread(setup, workerFile);
      const sources = Array.from(items, (item) => images.source(item));
      return { [input]: { shape: [items.length, ...shape], data: await loader.load({ items, sources, epoch }) } };
    },
    async close() {
      const open = loader;
      loader = null;
      await open?.close();
    },
  };
}

function fieldsOf(
  chosen: Int32Array,
  fields: ItemFields,
  oldVectors: Float32Array | undefined,
  chance: () => number,
): Partial<Record<BatchField, TrainingTensor>> {
  const shape = [chosen.length];
  const made: Partial<Record<BatchField, TrainingTensor>> = {};
  for (const name of ['labels', 'oldLabels', 'replayed'] as const) {
    const values = fields[name];
    if (values !== undefined) made[name] = { shape, data: chosen.map((item) => values[item] as number) };
  }
  if (oldVectors !== undefined) {
    const dimension = oldVectors.length / chosen.length;
    const lengths = normaliseRows(oldVectors, dimension);
    made.oldVectors = { shape: [chosen.length, dimension], data: oldVectors };
    if (fields.oldLengths) made.oldLengths = { shape, data: lengths };
  }
  if (fields.chance) made.chance = { shape, data: Float32Array.from(chosen, chance) };
  return made;
}

/** Reads rows by index, rows x dimension; a table that is small enough is read once. */
function rowsOf(source: VectorSource): (rows: Int32Array) => Promise<Float32Array> {
  const { dimension } = source;
  const form = { columns: dimension, normalise: false };
  let held: Promise<Float32Array> | null = null;
  return async (rows) => {
    if (source.count * dimension > HELD_VALUES) return (await loadMatrix(source, form, rows)).values;
    held ??= loadMatrix(source, form).then(({ values }) => values);
    const all = await held;
    const chosen = new Float32Array(rows.length * dimension);
    rows.forEach((row, place) => {
      chosen.set(all.subarray(row * dimension, (row + 1) * dimension), place * dimension);
    });
    return chosen;
  };
}

function checkLengths(items: ItemSet, { inputs, fields }: BatchSourceOptions): void {
  const lengths = {
    labels: fields.labels?.length,
    oldLabels: fields.oldLabels?.length,
    replayed: fields.replayed?.length,
    oldVectors: fields.oldVectors?.count,
    inputs: inputs.kind === 'vectors' ? inputs.vectors.count : undefined,
  };
  for (const [name, length] of Object.entries(lengths)) {
    if (length !== undefined && length !== items.count) {
      throw new BackcompatError('internal', `${items.name}: ${length} ${name} for ${items.count} items.`);
    }
  }
}

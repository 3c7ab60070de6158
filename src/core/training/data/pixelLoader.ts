import { createPixelReader, type Preprocessing } from '../../data/decodeImage.ts';
import { inputFiller, narrowPixels } from '../../data/imageInput.ts';
import type { ImageSource } from '../../data/itemSet.ts';
import { createRandom } from '../../numeric/random.ts';
import { drawVariation, vary } from './augment.ts';
import type { Augmentation } from './batchSource.ts';

/** Decoded images that stay in memory, as bytes at the model's size: 512 MiB, 3,500 of 224 x 224 x 3 or all of most small sets. What is beyond is decoded each time. */
const KEPT_BYTES = 2 ** 29;

/** What a loader needs to know; plain data, so that it can go to another thread. */
export interface PixelSetup {
  preprocessing: Preprocessing;
  augmentation: Augmentation | null;
  seed: number;
  /** Of the whole set. */
  items: number;
  /** Default: 512 MiB. */
  keptBytes?: number;
}

/** One batch: its items' indices, and where they lie. */
export interface PixelTask {
  items: Int32Array;
  sources: readonly ImageSource[];
  /** Of the draws; null: images are not varied. */
  epoch: number | null;
}

export interface PixelLoader {
  /** @returns items x the preprocessing's values. @throws BackcompatError `not-found`, `bad-file` with the path */
  load(task: PixelTask): Promise<Float32Array>;
  close(): Promise<void>;
}

/** Decodes, keeps and varies images in the thread that calls it. */
export function createPixelLoader({ preprocessing, augmentation, seed, items, keptBytes }: PixelSetup): PixelLoader {
  const { height, width, channels } = preprocessing;
  const values = height * width * channels;
  const reader = createPixelReader(preprocessing);
  const fill = inputFiller(preprocessing);
  const kept = new KeptPixels(
    Math.min(items, Math.floor((keptBytes ?? KEPT_BYTES) / values)),
    height * width,
    channels,
  );
  const pending = new Set<Promise<unknown>>();

  function place(item: number, epoch: number | null, pixels: Pixels, into: Float32Array): void {
    let { data } = pixels;
    if (augmentation !== null && epoch !== null) {
      const random = createRandom(seed, `augmentation/${epoch}/${item}`);
      data = vary({ ...pixels, width, height }, drawVariation(random, augmentation, width, height));
    }
    fill(data, pixels.channels, into);
  }

  async function load({ items: wanted, sources, epoch }: PixelTask): Promise<Float32Array> {
    const into = new Float32Array(wanted.length * values);
    const decoded: Promise<void>[] = [];
    for (const [position, item] of wanted.entries()) {
      const target = into.subarray(position * values, (position + 1) * values);
      const known = kept.get(item);
      if (known !== null) {
        place(item, epoch, known, target);
        continue;
      }
      const work = reader.read(sources[position] as ImageSource).then(({ data, channels: own }) => {
        const pixels = narrowPixels(data, own, channels);
        kept.put(item, pixels);
        place(item, epoch, pixels, target);
      });
      decoded.push(work);
    }
    // All are awaited first: no decoding goes on behind the caller's back after an error.
    const failed = (await Promise.allSettled(decoded)).find((result) => result.status === 'rejected');
    if (failed) throw failed.reason;
    return into;
  }

  return {
    load(task) {
      const work = load(task);
      const settled = work.catch(() => {}).finally(() => pending.delete(settled));
      pending.add(settled);
      return work;
    },
    async close() {
      // Files stay open until the last decoding is through with them.
      await Promise.all(pending);
      await reader.close();
    },
  };
}

interface Pixels {
  data: Uint8Array;
  channels: 1 | 3;
}

/** Images of the first `slots` items in one piece of memory, which the system hands out as it is filled. */
class KeptPixels {
  readonly #bytes: Uint8Array;
  /** Channels of each image; 0: not there yet. */
  readonly #channels: Uint8Array;
  readonly #area: number;
  readonly #slot: number;

  constructor(slots: number, area: number, channels: number) {
    this.#area = area;
    this.#slot = area * channels;
    this.#bytes = new Uint8Array(slots * this.#slot);
    this.#channels = new Uint8Array(slots);
  }

  get(item: number): Pixels | null {
    const channels = this.#channels[item] ?? 0;
    if (channels === 0) return null;
    const start = item * this.#slot;
    return { data: this.#bytes.subarray(start, start + this.#area * channels), channels: channels as 1 | 3 };
  }

  put(item: number, { data, channels }: Pixels): void {
    if (item >= this.#channels.length) return;
    this.#bytes.set(data, item * this.#slot);
    this.#channels[item] = channels;
  }
}

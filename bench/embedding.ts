/**
 * Embedding rates, against ONNX Runtime in Python on the same model:
 *
 *   npm run bench -- embedding [rounds]
 *
 * A ResNet-18 in CIFAR form (11 million parameters, 3 x 32 x 32, exported by PyTorch), batch 64, two threads: its session
 * alone on prepared inputs, and the whole path from files to a table in the cache, from small PNG and from photo-sized
 * JPEG files. A text model of six layers from sentences. Needs bench/reference/setup.sh.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { createImageDecoder } from '../src/core/data/decodeImage.ts';
import type { ItemSet } from '../src/core/data/itemSet.ts';
import { loadDataset } from '../src/core/data/loadDataset.ts';
import { type Checkpoint, embed, openCheckpoint } from '../src/core/models/checkpoint.ts';
import type { ImageEncoder, ModelCheckpoint, TextEncoder } from '../src/core/models/modelCheckpoint.ts';
import { createRandom } from '../src/core/numeric/random.ts';
import { Peer } from './support/peer.ts';
import { writePictures } from './support/pictures.ts';
import { median, medianRatio, Series, silent, timed } from './support/timing.ts';

const IMAGES = 512;
const PHOTOS = 512;
const TEXTS = 256;
const BATCH = 64;
const THREADS = 2;
const rounds = Number(process.argv[2] ?? 9);
const folder = mkdtempSync(path.join(os.tmpdir(), 'backcompat-embedding-'));
const random = createRandom(0, 'embedding');

function writeTexts(): void {
  const syllable = () => ('bcdfghjklmnprstvwz'[random.integer(18)] as string) + 'aeiou'[random.integer(5)];
  const word = () => Array.from({ length: 1 + random.integer(3) }, syllable).join('');
  const sentence = () => Array.from({ length: 6 + random.integer(24) }, word).join(' ');
  const lines = Array.from({ length: TEXTS }, (_, i) => JSON.stringify({ text: sentence(), label: `c${i % 8}` }));
  writeFileSync(path.join(folder, 'texts.jsonl'), lines.join('\n'));
}

/** Embeds into a fresh cache, so that nothing is taken from it. */
async function embedAll(checkpoint: Checkpoint, items: ItemSet): Promise<void> {
  const cacheFolder = mkdtempSync(path.join(folder, 'cache-'));
  const vectors = await embed(checkpoint, items, { cacheFolder, batchSize: BATCH, progress: silent });
  await vectors.close();
  rmSync(cacheFolder, { recursive: true });
}

async function decodeAll({ images, count }: ItemSet, { preprocessing }: ImageEncoder): Promise<void> {
  const { height, width, channels } = preprocessing;
  const decoder = createImageDecoder(images as NonNullable<typeof images>, preprocessing);
  const into = new Float32Array(BATCH * height * width * channels);
  for (let start = 0; start < count; start += BATCH) {
    await decoder.decode(
      Array.from({ length: Math.min(BATCH, count - start) }, (_, i) => start + i),
      into,
    );
  }
  await decoder.close();
}

let peer: Peer | null = null;
const opened: Checkpoint[] = [];
try {
  await writePictures(path.join(folder, 'small'), random, { count: IMAGES, height: 32, width: 32, type: 'png' });
  await writePictures(path.join(folder, 'photos'), random, { count: PHOTOS, height: 375, width: 500, type: 'jpeg' });
  writeTexts();
  peer = new Peer('embedding.py', [folder, IMAGES, BATCH, THREADS]);
  // Its models are there once it answers.
  await peer.ask('embed');

  const open = async (name: string, model: string) => {
    const preprocess = { size: [32, 32] as [number, number], mean: [0.5, 0.5, 0.5], std: [0.25, 0.25, 0.25] };
    const definition = name === 'image' ? { model, preprocess } : { model };
    const checkpoint = (await openCheckpoint(name, definition, folder, { threads: THREADS })) as ModelCheckpoint;
    opened.push(checkpoint);
    return checkpoint;
  };
  const image = await open('image', 'resnet18.onnx');
  const text = await open('text', 'text/model.onnx');
  const imageEncoder = image.encoder as ImageEncoder;
  const textEncoder = text.encoder as TextEncoder;
  const small = await loadDataset({ images: 'small' }, 'small', folder);
  const photos = await loadDataset({ images: 'photos' }, 'photos', folder);
  const texts = await loadDataset({ text: 'texts.jsonl' }, 'texts', folder);
  const inputs = Float32Array.from({ length: IMAGES * 3 * 32 * 32 }, () => random.normal());

  const tasks: Record<string, { items: number; work: () => Promise<unknown> }> = {
    'session alone': {
      items: IMAGES,
      async work() {
        for (let start = 0; start < IMAGES; start += BATCH) {
          const part = inputs.subarray(start * 3072, (start + BATCH) * 3072);
          await imageEncoder.run(part, part.length / 3072);
        }
      },
    },
    'PNG of 32 x 32, whole path': { items: IMAGES, work: () => embedAll(image, small) },
    'PNG of 32 x 32, decoding alone': { items: IMAGES, work: () => decodeAll(small, imageEncoder) },
    'JPEG of 500 x 375, whole path': { items: PHOTOS, work: () => embedAll(image, photos) },
    'JPEG of 500 x 375, decoding alone': { items: PHOTOS, work: () => decodeAll(photos, imageEncoder) },
    'texts, whole path': { items: TEXTS, work: () => embedAll(text, texts) },
    'texts, tokenising alone': {
      items: TEXTS,
      async work() {
        for (let item = 0; item < TEXTS; item++) textEncoder.tokenise(texts.texts?.text(item) as string);
      },
    },
  };
  const series = new Series();
  const python = 'ONNX Runtime in Python';
  for (let round = -1; round < rounds; round++) {
    const peerTiming = await peer.ask('embed');
    if (round >= 0) series.note(python, peerTiming);
    for (const [name, { work }] of Object.entries(tasks)) {
      const timing = await timed(work);
      if (round >= 0) series.note(name, timing);
    }
  }
  const pythonSeconds = series.seconds(python);
  console.log(`\nbatch ${BATCH}, ${THREADS} threads, medians of ${rounds} rounds`);
  for (const name of series.names) {
    const items = tasks[name]?.items ?? IMAGES;
    const [whole] = name.split(',') as [string];
    const alone = /alone$/.test(name) && name.includes(',');
    console.log(
      [
        name.padEnd(36),
        `${(items / median(series.seconds(name))).toFixed(0)} a second`.padStart(16),
        alone
          ? `${(100 * medianRatio(series.cpu(name), series.cpu(`${whole}, whole path`))).toFixed(1)} % of the path's processor time`
          : '',
        items === IMAGES && !alone && name !== python
          ? `${medianRatio(pythonSeconds, series.seconds(name)).toFixed(2)} x Python's session`
          : '',
      ].join(' '),
    );
  }
} finally {
  peer?.end();
  for (const checkpoint of opened) await checkpoint.close();
  rmSync(folder, { recursive: true, force: true });
}

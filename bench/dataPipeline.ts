/**
 * Training images a second, against a PyTorch DataLoader with two workers and the same transforms:
 *
 *   npm run bench -- dataPipeline [rounds]
 *
 * Batches of 64, nothing else to do: 28 x 28 digits of an IDX file (shifted), 32 x 32 PNG and 500 x 375 JPEG at 224 x 224
 * (shifted, mirrored, colours varied). A first epoch decodes, later ones find the pixels in memory. Then with a main thread
 * that is blocked as by a step of training: how long a batch is waited for. Needs bench/reference/setup.sh and torchvision
 * (bench/reference/requirements-zoo.txt).
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import esbuild from 'esbuild';
import type { Preprocessing } from '../src/core/data/decodeImage.ts';
import type { ItemSet } from '../src/core/data/itemSet.ts';
import { loadDataset } from '../src/core/data/loadDataset.ts';
import { createRandom } from '../src/core/numeric/random.ts';
import type { Augmentation, BatchSource } from '../src/core/training/data/batchSource.ts';
import { createBatchSource } from '../src/core/training/data/createBatchSource.ts';
import { Peer } from './support/peer.ts';
import { writePictures } from './support/pictures.ts';
import { median, medianRatio, Series, timed } from './support/timing.ts';

const BATCH = 64;
const DIGITS = 10_000;
const SMALL = 2048;
const PHOTOS = 256;
const rounds = Number(process.argv[2] ?? 5);
const benchFolder = process.env.BENCH_FOLDER ?? 'bench';
const folder = mkdtempSync(path.join(os.tmpdir(), 'backcompat-pipeline-'));
const random = createRandom(0, 'pipeline');

function writeDigits(): void {
  const pixels = Uint8Array.from({ length: DIGITS * 784 }, () => Math.max(0, random.integer(512) - 256));
  const head = Buffer.alloc(16);
  [0x803, DIGITS, 28, 28].forEach((value, k) => {
    head.writeUInt32BE(value, 4 * k);
  });
  const labels = Buffer.alloc(8 + DIGITS);
  labels.writeUInt32BE(0x801, 0);
  labels.writeUInt32BE(DIGITS, 4);
  writeFileSync(path.join(folder, 'digits.bin'), pixels);
  writeFileSync(path.join(folder, 'digits.idx'), Buffer.concat([head, pixels]));
  writeFileSync(path.join(folder, 'labels.idx'), labels);
}

/** Consumes an epoch. @param busyMs the main thread is blocked for so long after each batch. @returns waited, a batch */
async function consume(source: BatchSource, epoch: number, busyMs = 0): Promise<number> {
  let waited = 0;
  let asked = performance.now();
  for await (const batch of source.batches(epoch, 0)) {
    waited += performance.now() - asked;
    if (batch.count !== BATCH) throw new Error(`a batch of ${batch.count}`);
    const end = performance.now() + busyMs;
    while (performance.now() < end);
    asked = performance.now();
  }
  return waited / source.batchesPerEpoch;
}

const photoForm = { channels: 3 as const, mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] };
const common = { resize: 'crop' as const, layout: 'nchw' as const };
const varied: Augmentation = { crop: 0.125, flip: true, colour: 0.2 };

interface Case {
  items: ItemSet;
  preprocessing: Preprocessing;
  augmentation: Augmentation;
}

let peer: Peer | null = null;
try {
  writeDigits();
  await writePictures(path.join(folder, 'small'), random, { count: SMALL, height: 32, width: 32, type: 'png' });
  await writePictures(path.join(folder, 'photos'), random, { count: PHOTOS, height: 375, width: 500, type: 'jpeg' });
  // Beside this bundle, where the packages are found.
  const workerFile = fileURLToPath(new URL('pixelWorker.mjs', import.meta.url));
  await esbuild.build({
    entryPoints: [path.join(benchFolder, '../src/core/training/data/pixelWorker.ts')],
    outfile: workerFile,
    bundle: true,
    platform: 'node',
    format: 'esm',
    packages: 'external',
  });
  peer = new Peer('dataPipeline.py', [folder, BATCH]);

  const idx = { idx: { images: 'digits.idx', labels: 'labels.idx' } };
  const cases: Record<string, Case> = {
    digits: {
      items: await loadDataset(idx, 'digits', folder),
      preprocessing: { ...common, height: 28, width: 28, channels: 1, mean: [0.5], std: [0.5] },
      augmentation: { crop: 3 / 28, flip: false, colour: 0 },
    },
    png: {
      items: await loadDataset({ images: 'small' }, 'small', folder),
      preprocessing: { ...common, ...photoForm, height: 32, width: 32 },
      augmentation: varied,
    },
    jpeg: {
      items: await loadDataset({ images: 'photos' }, 'photos', folder),
      preprocessing: { ...common, ...photoForm, height: 224, width: 224 },
      augmentation: varied,
    },
  };
  const open = ({ items, preprocessing, augmentation }: Case, where: string | null): BatchSource => {
    if (items.images === null) throw new Error('no images');
    const inputs = { kind: 'images', input: 'image', images: items.images, preprocessing, augmentation } as const;
    return createBatchSource(items, {
      inputs,
      fields: {},
      batchSize: BATCH,
      seed: 0,
      itemsPerClass: null,
      workerFile: where,
    });
  };

  const series = new Series();
  const waits = new Map<string, number[]>();
  for (let round = -1; round < rounds; round++) {
    for (const [name, each] of Object.entries(cases)) {
      const python = await peer.ask(name);
      const source = open(each, workerFile);
      const first = await timed(() => consume(source, 0));
      const later = await timed(() => consume(source, 1));
      // About as long as PyTorch's loader takes for a batch, so that neither side waits for the other.
      const busyMs = (1000 * python.seconds) / source.batchesPerEpoch;
      const waitedThread = await consume(source, 2, busyMs);
      await source.close();
      const direct = open(each, null);
      const here = await timed(() => consume(direct, 1));
      await consume(direct, 2);
      const waitedHere = await consume(direct, 3, busyMs);
      await direct.close();
      if (round < 0) continue;
      series.note(`${name}: DataLoader, two workers`, python);
      series.note(`${name}: thread, first epoch`, first);
      series.note(`${name}: thread, later epochs`, later);
      series.note(`${name}: no thread, first epoch`, here);
      for (const [where, waited] of [
        ['thread', waitedThread],
        ['no thread', waitedHere],
      ] as const) {
        const key = `${name}: ${where}, steps of ${busyMs.toFixed(0)} ms`;
        const known = [...waits.keys()].find((other) => other.startsWith(`${name}: ${where}`)) ?? key;
        waits.set(known, [...(waits.get(known) ?? []), waited]);
      }
    }
  }
  console.log(`\nbatches of ${BATCH}, medians of ${rounds} rounds`);
  for (const name of series.names) {
    const [kind] = name.split(':') as [string];
    const { items } = cases[kind] as Case;
    const images = Math.floor(items.count / BATCH) * BATCH;
    const peerName = `${kind}: DataLoader, two workers`;
    const faster = (of: (name: string) => number[]) => medianRatio(of(peerName), of(name)).toFixed(2);
    console.log(
      [
        name.padEnd(36),
        `${((1e6 * median(series.cpu(name))) / images).toFixed(1)} us of processor time an image`.padStart(44),
        `(${faster((other) => series.cpu(other))} x the DataLoader's),`,
        `${((1e6 * median(series.seconds(name))) / images).toFixed(1)} us by the clock (${faster((other) => series.seconds(other))} x)`,
      ].join(' '),
    );
  }
  for (const [name, waited] of waits) console.log(`${name.padEnd(40)} ${median(waited).toFixed(2)} ms waited a batch`);
} finally {
  peer?.end();
  rmSync(folder, { recursive: true, force: true });
}

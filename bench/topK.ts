/**
 * The nearest neighbours of the audit against FAISS and PyTorch, all exact:
 *
 *   npm run bench -- topK [rounds]
 *
 * Top 10 of 2,048 queries in 100,000 x 256, cosine of unit rows, two threads; needs bench/reference/setup.sh.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { NEAREST_BLOCK_ROWS, nearestNeighbours } from '../src/core/audit/nearest.ts';
import { BlockReader } from '../src/core/audit/vectors.ts';
import { vectorsInMemory } from '../src/core/data/vectorSource.ts';
import { Peer } from './support/peer.ts';
import { median, medianRatio, Series, silent, timed } from './support/timing.ts';
import { makeCentres, makeVectors } from './support/vectors.ts';

const QUERIES = 2048;
const GALLERY = 100_000;
const COLUMNS = 256;
const CLASSES = 1000;
const K = 10;
const THREADS = 2;
const rounds = Number(process.argv[2] ?? 9);

const centres = makeCentres(CLASSES, COLUMNS);
const labels = (count: number) => Int32Array.from({ length: count }, (_, i) => i % CLASSES);
const query = makeVectors(labels(QUERIES), centres, COLUMNS, 1.6, 'query');
const gallery = makeVectors(labels(GALLERY), centres, COLUMNS, 1.6, 'gallery');

/** As the audit calls it: the gallery comes in blocks from a source, unit rows need no normalising. */
const search = () =>
  timed(() =>
    nearestNeighbours(
      {
        query: { rows: QUERIES, columns: COLUMNS, values: query },
        gallery: new BlockReader(
          vectorsInMemory('gallery', gallery, COLUMNS),
          { columns: COLUMNS, normalise: false },
          NEAREST_BLOCK_ROWS,
        ),
        k: K,
        distance: 'cosine',
        threads: THREADS,
      },
      { progress: silent },
    ),
  );

const folder = mkdtempSync(path.join(os.tmpdir(), 'backcompat-topK-'));
let peer: Peer | null = null;
try {
  for (const [name, values] of Object.entries({ query, gallery })) {
    writeFileSync(path.join(folder, `${name}.bin`), new Uint8Array(values.buffer));
  }
  peer = new Peer('topK.py', [folder, QUERIES, GALLERY, COLUMNS, K, THREADS]);
  const series = new Series();
  for (let round = -1; round < rounds; round++) {
    const found = await search();
    const faiss = await peer.ask<{ rows: number[]; key: number }>('faiss');
    const torch = await peer.ask<{ rows: number[]; key: number }>('torch');
    if (round < 0) {
      // The unmeasured round warms up, and shows that all find the same.
      const { rows, distances } = found.result;
      const agree = faiss.rows.filter((row, i) => row === rows[i * K]).length;
      const key = distances.reduce((sum, distance) => sum + 1 - distance, 0);
      console.log(`same nearest as FAISS: ${agree} of ${QUERIES}; sums of keys ${key}, ${faiss.key}, ${torch.key}`);
      continue;
    }
    series.note('ours', found);
    series.note('FAISS IndexFlatIP', faiss);
    series.note('PyTorch mm + topk', torch);
  }
  const gigaflops = (2 * QUERIES * GALLERY * COLUMNS) / 1e9;
  console.log(`\ntop ${K} of ${QUERIES} in ${GALLERY} x ${COLUMNS}, ${THREADS} threads, medians of ${rounds} rounds`);
  for (const name of series.names) {
    const seconds = median(series.seconds(name));
    console.log(
      `${name.padEnd(20)}${(1000 * seconds).toFixed(0).padStart(6)} ms ${(gigaflops / seconds).toFixed(0).padStart(5)} GFLOPS, ` +
        `processor ${median(series.cpu(name)).toFixed(2)} s, ` +
        `our speed is ${medianRatio(series.seconds(name), series.seconds('ours')).toFixed(2)} of it`,
    );
  }
} finally {
  peer?.end();
  rmSync(folder, { recursive: true, force: true });
}

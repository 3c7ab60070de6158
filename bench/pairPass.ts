// The pair pass of the audit against PyTorch: violations of the two inequalities over all pairs.
//   node bench/run.mjs pairPass [rounds]
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import {
  countNegativeViolations,
  type InequalityFigures,
  measureInequalities,
} from '../src/core/audit/inequalities.ts';
import { makePairSetup } from '../src/core/audit/pairSetup.ts';
import { BlockReader } from '../src/core/audit/vectors.ts';
import { vectorsInMemory } from '../src/core/data/vectorSource.ts';
import { createRandom } from '../src/core/numeric/random.ts';
import { Peer } from './support/peer.ts';
import { median, silent, timed } from './support/timing.ts';
import { makeCentres, makeVectors } from './support/vectors.ts';

const QUERIES = 4096;
const GALLERY = 20_000;
const COLUMNS = 256;
const CLASSES = 100;
const THREADS = 2;
const rounds = Number(process.argv[2] ?? 9);
const gigaflops = (2 * QUERIES * GALLERY * COLUMNS) / 1e9;

const random = createRandom(0, 'pairPass');
const centres = makeCentres(CLASSES, COLUMNS);
const queryLabel = Int32Array.from({ length: QUERIES }, () => random.integer(CLASSES));
const galleryLabel = Int32Array.from({ length: GALLERY }, () => random.integer(CLASSES));
const oldQuery = makeVectors(queryLabel, centres, COLUMNS, 1.6, 'oldQuery');
const newQuery = makeVectors(queryLabel, centres, COLUMNS, 1.2, 'newQuery');
const gallery = makeVectors(galleryLabel, centres, COLUMNS, 1.6, 'gallery');

const classNames = Array.from({ length: CLASSES }, (_, c) => `c${c}`);
const itemsOf = (name: string, labelOf: Int32Array) => ({
  name,
  count: labelOf.length,
  ids: Array.from(labelOf, (_, i) => `${name}${i}`),
  labelOf,
  classNames,
});
const setup = makePairSetup(itemsOf('q', queryLabel), itemsOf('g', galleryLabel));

type Counted = { negative: unknown; positive?: unknown };

const input = () => ({
  distance: 'cosine' as const,
  oldQuery: { rows: QUERIES, columns: COLUMNS, values: oldQuery },
  newQuery: { rows: QUERIES, columns: COLUMNS, values: newQuery },
  gallery: new BlockReader(vectorsInMemory('gallery', gallery, COLUMNS), { columns: COLUMNS, normalise: false }, 8192),
  setup,
  threads: THREADS,
});

const ourCount = () => timed(() => countNegativeViolations({ ...input(), epsilons: [1e-6] }, { progress: silent }));
const ourEverything = (classPairs: boolean) =>
  timed<InequalityFigures>(() =>
    measureInequalities(
      { ...input(), epsilons: [1e-6, 0.01, 0.05], worstPairs: 100, classPairs },
      { progress: silent },
    ),
  );

const total = (values: Float64Array | undefined) => values?.reduce((sum, value) => sum + value, 0) ?? 0;

const folder = mkdtempSync(path.join(os.tmpdir(), 'backcompat-pairPass-'));
let peer: Peer | null = null;
try {
  for (const [name, values] of Object.entries({ oldQuery, newQuery, gallery, queryLabel, galleryLabel })) {
    writeFileSync(path.join(folder, `${name}.bin`), new Uint8Array(values.buffer));
  }
  peer = new Peer('pairPass.py', [folder, QUERIES, GALLERY, COLUMNS, THREADS]);

  const seconds: Record<string, number[]> = {};
  const note = (name: string, value: number) => {
    seconds[name] ??= [];
    seconds[name].push(value);
  };
  for (let round = -1; round < rounds; round++) {
    const sgemm = await peer.ask('sgemm');
    const peerCount = await peer.ask<Counted>('count');
    const count = await ourCount();
    const peerAll = await peer.ask<Counted>('everything');
    const everything = await ourEverything(false);
    const withClasses = await ourEverything(true);
    if (round < 0) {
      // The unmeasured round warms up, and shows that both sides compute the same.
      console.log('count    ', peerCount.negative, total(count.result[0]));
      for (const sign of ['positive', 'negative'] as const) {
        const figures = everything.result;
        const shown = {
          violations: figures[sign].violations.map(total),
          severity: total(figures[sign].severity),
          worst: [figures.worst[sign][0]?.query, figures.worst[sign][0]?.gallery],
        };
        console.log(`${sign} torch`, JSON.stringify(peerAll[sign]));
        console.log(`${sign} ours `, JSON.stringify(shown));
      }
      continue;
    }
    note('sgemm', sgemm.seconds);
    note('count, PyTorch', peerCount.seconds);
    note('count', count.seconds);
    note('everything, PyTorch', peerAll.seconds);
    note('everything', everything.seconds);
    note('everything and class pairs', withClasses.seconds);
  }
  const limit = median(seconds.sgemm as number[]);
  const peerOf = (name: string) => seconds[`${name.split(' ')[0]}, PyTorch`];
  console.log(`\n${QUERIES} x ${GALLERY} x ${COLUMNS}, ${THREADS} threads, medians of ${rounds} interleaved rounds`);
  for (const [name, values] of Object.entries(seconds)) {
    const time = median(values);
    const peerTimes = name.includes('PyTorch') ? undefined : peerOf(name);
    console.log(
      [
        name.padEnd(28),
        `${(time * 1000).toFixed(0)} ms`.padStart(8),
        `${(gigaflops / time).toFixed(0)} GFLOPS`.padStart(11),
        `${((100 * limit) / time).toFixed(0)} % of sgemm`.padStart(15),
        peerTimes ? `${(median(peerTimes) / time).toFixed(1)} x PyTorch` : '',
      ].join(' '),
    );
  }
} finally {
  peer?.end();
  rmSync(folder, { recursive: true, force: true });
}

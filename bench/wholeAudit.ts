/**
 * A whole default audit, leave-one-out, by stage, against the bare matrix products of its four cells:
 *
 *   npm run bench -- wholeAudit [rounds] [classes] [items a class] [columns] [threads]
 *
 * Products are measured in ONNX Runtime in this process and in PyTorch into a ready buffer; the faster one
 * counts. `WITHOUT_PEER=1` leaves PyTorch out.
 */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { writeNpy } from '../src/core/data/npy.ts';
import { vectorsInMemory } from '../src/core/data/vectorSource.ts';
import { GraphBuilder } from '../src/core/engine/graph.ts';
import { createSession } from '../src/core/engine/session.ts';
import { auditPair } from '../src/core/pipeline/auditPair.ts';
import { writeReport } from '../src/core/report/reportFile.ts';
import { Peer } from './support/peer.ts';
import { median, medianRatio, Series, timed } from './support/timing.ts';
import { makeCentres, makeVectors } from './support/vectors.ts';

const [rounds = 9, classes = 1000, perClass = 20, columns = 512, threads = 2] = process.argv.slice(2).map(Number);
const count = classes * perClass;
/** Of the noise, in the centres' length (old mAP is about .5 with 20,000 items), and the part of the components that both models share. */
const OLD_SPREAD = 2.4;
const NEW_SPREAD = 2;
const SHARED = 0.875;
/** Of the bare products in ONNX Runtime: the fastest of those tried. */
const PRODUCT_QUERIES = 1024;
const PRODUCT_ITEMS = 5000;

const folder = path.join(
  os.tmpdir(),
  `backcompat-bench-audit-${[classes, perClass, columns, OLD_SPREAD, NEW_SPREAD, SHARED].join('-')}`,
);
mkdirSync(folder, { recursive: true });
const file = (name: string) => path.join(folder, name);
const labels = Int32Array.from({ length: count }, (_, i) => i % classes);
const centres = makeCentres(classes, columns);
// New vectors share the old centres in most components: compatible, but not quite.
const newCentres = centres.map((value, i) => (i % columns < SHARED * columns ? value : -value));
const vectors = {
  old: makeVectors(labels, centres, columns, OLD_SPREAD, 'old'),
  new: makeVectors(labels, newCentres, columns, NEW_SPREAD, 'new'),
};
for (const [name, values] of Object.entries(vectors)) {
  if (!existsSync(file(`${name}.npy`))) await writeNpy(file(`${name}.npy`), vectorsInMemory(name, values, columns));
}
writeFileSync(file('labels.csv'), `label\n${Array.from(labels, (label) => `class ${label}\n`).join('')}`);

/** The four cells' products and nothing else, block by block. */
async function bareProducts(): Promise<void> {
  const graph = new GraphBuilder('product');
  const query = graph.input('query', 'float32', ['q', columns]);
  const gallery = graph.input('gallery', 'float32', ['n', columns]);
  // Behind an Identity the product would be copied; a sum of one element a row keeps it from being dropped.
  const product = graph.node('Gemm', [query, gallery], { transB: 1 });
  const ends = [graph.int64s([0]), graph.int64s([1]), graph.int64s([1])];
  graph.output('first', graph.node('Slice', [product, ...ends]), 'float32', ['q', 1]);
  const session = await createSession(graph.build(), { threads });
  const rows = (values: Float32Array, start: number, size: number) => {
    const end = Math.min(count, start + size);
    return { shape: [end - start, columns], data: values.subarray(start * columns, end * columns) };
  };
  try {
    for (const [q, g] of [
      [vectors.old, vectors.old],
      [vectors.new, vectors.old],
      [vectors.new, vectors.new],
      [vectors.old, vectors.new],
    ] as const) {
      for (let at = 0; at < count; at += PRODUCT_ITEMS) {
        for (let start = 0; start < count; start += PRODUCT_QUERIES) {
          await session.run({ query: rows(q, start, PRODUCT_QUERIES), gallery: rows(g, at, PRODUCT_ITEMS) });
        }
      }
    }
  } finally {
    await session.release();
  }
}

/** The audit as the command line runs it, up to the report's file; notes the time of each stage. */
async function audit(note: (stage: string, timing: { seconds: number; cpu: number }) => void): Promise<string> {
  let stage = 'Reading the tables';
  let since = performance.now();
  let cpu = process.cpuUsage();
  const turn = (next: string) => {
    const { user, system } = process.cpuUsage(cpu);
    note(stage, { seconds: (performance.now() - since) / 1000, cpu: (user + system) / 1e6 });
    stage = next;
    since = performance.now();
    cpu = process.cpuUsage();
  };
  const report = await auditPair(
    {
      source: {
        kind: 'tables',
        oldGallery: file('old.npy'),
        newGallery: file('new.npy'),
        galleryLabels: file('labels.csv'),
        oldQuery: null,
        newQuery: null,
        queryLabels: null,
      },
      overrides: {},
      threads,
      cacheFolder: folder,
    },
    {
      progress: {
        phase: turn,
        update() {},
        log() {},
        breathe: () => new Promise((resolve) => setImmediate(resolve)),
      },
      signal: new AbortController().signal,
    },
  );
  turn('Writing the report');
  await writeReport(file('report.compat-report.json'), report);
  turn('');
  return report.verdict.summary;
}

const peer = process.env.WITHOUT_PEER ? null : new Peer('wholeAudit.py', [folder, threads]);
try {
  const products = new Series();
  const stages = new Series();
  const whole = new Series();
  // The first round warms up.
  for (let round = rounds > 1 ? -1 : 0; round < rounds; round++) {
    const keep = round >= 0;
    const bare = await timed(bareProducts);
    const torch = await peer?.ask('products');
    const own: [string, { seconds: number; cpu: number }][] = [];
    const audited = await timed(() => audit((stage, timing) => own.push([stage, timing])));
    if (round <= 0) console.log(audited.result);
    if (!keep) continue;
    products.note('ONNX Runtime', bare);
    if (torch) products.note('PyTorch', torch);
    whole.note('whole audit', audited);
    const sums = new Map<string, { seconds: number; cpu: number }>();
    for (const [stage, { seconds, cpu }] of own) {
      const sum = sums.get(stage) ?? { seconds: 0, cpu: 0 };
      sums.set(stage, { seconds: sum.seconds + seconds, cpu: sum.cpu + cpu });
    }
    for (const [stage, timing] of sums) stages.note(stage, timing);
  }
  const gigaflops = (4 * 2 * count * count * columns) / 1e9;
  const fastest = products.names.toSorted((a, b) => median(products.seconds(a)) - median(products.seconds(b)))[0];
  const limit = products.seconds(fastest as string);
  console.log(
    `\n${count} x ${count} x ${columns}, leave-one-out, ${threads} thread${threads > 1 ? 's' : ''}, medians of ${rounds} rounds`,
  );
  const line = (series: Series, name: string, rest: string) => {
    const seconds = `${median(series.seconds(name)).toFixed(2)} s`.padStart(9);
    const cpu = `${median(series.cpu(name)).toFixed(2)} s`.padStart(9);
    console.log(`${name.padEnd(34)}${seconds}, processor ${cpu}  ${rest}`);
  };
  for (const name of products.names) {
    line(products, name, `${(gigaflops / median(products.seconds(name))).toFixed(0)} GFLOPS, four bare products`);
  }
  const times = (seconds: readonly number[]) => `${medianRatio(seconds, limit).toFixed(2)} x the products`;
  for (const name of stages.names) line(stages, name, times(stages.seconds(name)));
  line(whole, 'whole audit', times(whole.seconds('whole audit')));
  console.log(`peak resident size ${(process.resourceUsage().maxRSS / 1024).toFixed(0)} MB`);
} finally {
  peer?.end();
}

/**
 * Peak memory of a whole audit of 1,000 separate queries against 1,000,000 x 256 gallery vectors, both
 * models' tables read from npy files:
 *
 *   npm run bench -- auditMemory [galleryRows] [folder]
 *
 * The tables (2 GB) are written once into the folder and reused. Audits in this process, as the command
 * line's run does, and prints the process's peak resident size and the time of each phase.
 */
import { once } from 'node:events';
import { createWriteStream, existsSync, mkdirSync, renameSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { createRandom } from '../src/core/numeric/random.ts';
import { auditPair } from '../src/core/pipeline/auditPair.ts';

const galleryRows = Number(process.argv[2] ?? 1_000_000);
const folder = process.argv[3] ?? path.join(os.tmpdir(), 'backcompat-bench-memory');
const queryRows = 1000;
const dimension = 256;
const classes = 1000;

function npyHeader(rows: number): Buffer {
  const text = `{'descr': '<f4', 'fortran_order': False, 'shape': (${rows}, ${dimension}), }`;
  const padded = `${text.padEnd(Math.ceil((text.length + 11) / 64) * 64 - 11)}\n`;
  const length = Buffer.alloc(2);
  length.writeUInt16LE(padded.length);
  return Buffer.concat([Buffer.from('\x93NUMPY\x01\x00', 'latin1'), length, Buffer.from(padded)]);
}

/** Class centre plus noise; `model` shifts the centres, so that old and new differ but agree in part. */
async function writeTable(file: string, rows: number, stream: string, noise: number): Promise<void> {
  if (existsSync(file)) return;
  const centres = new Float32Array(classes * dimension);
  const shared = createRandom(1, 'centres');
  for (let i = 0; i < centres.length; i++) centres[i] = shared.normal();
  const random = createRandom(1, stream);
  // Uniform noise: ten times faster to draw than normal, and memory does not care.
  const out = createWriteStream(`${file}.part`);
  out.write(npyHeader(rows));
  const block = 4096;
  for (let start = 0; start < rows; start += block) {
    const size = Math.min(block, rows - start);
    const values = new Float32Array(size * dimension);
    for (let i = 0; i < values.length; i++) {
      const row = start + Math.floor(i / dimension);
      values[i] =
        (centres[(row % classes) * dimension + (i % dimension)] as number) +
        noise * 3.4 * (random.uint32() / 4294967296 - 0.5);
    }
    if (!out.write(Buffer.from(values.buffer))) await once(out, 'drain');
  }
  out.end();
  await once(out, 'finish');
  renameSync(`${file}.part`, file);
}

function writeLabels(file: string, rows: number): void {
  const lines = ['label'];
  for (let row = 0; row < rows; row++) lines.push(`class ${row % classes}`);
  writeFileSync(file, `${lines.join('\n')}\n`);
}

mkdirSync(folder, { recursive: true });
const file = (name: string) => path.join(folder, `${galleryRows}-${name}`);
await writeTable(file('old.npy'), galleryRows, 'old', 1.6);
await writeTable(file('new.npy'), galleryRows, 'new', 1.2);
await writeTable(file('query-old.npy'), queryRows, 'query/old', 1.6);
await writeTable(file('query-new.npy'), queryRows, 'query/new', 1.2);
writeLabels(file('labels.csv'), galleryRows);
writeLabels(file('query-labels.csv'), queryRows);
const before = process.resourceUsage().maxRSS;

let phase = '';
let since = performance.now();
const report = await auditPair(
  {
    source: {
      kind: 'tables',
      oldGallery: file('old.npy'),
      newGallery: file('new.npy'),
      galleryLabels: file('labels.csv'),
      oldQuery: file('query-old.npy'),
      newQuery: file('query-new.npy'),
      queryLabels: file('query-labels.csv'),
    },
    overrides: {},
    threads: null,
    cacheFolder: folder,
  },
  {
    progress: {
      phase(name) {
        if (phase !== '') console.log(`${phase}: ${((performance.now() - since) / 1000).toFixed(1)} s`);
        phase = name;
        since = performance.now();
      },
      update() {},
      log(_, message) {
        console.log(message);
      },
      breathe: () => new Promise((resolve) => setImmediate(resolve)),
    },
    signal: new AbortController().signal,
  },
);
console.log(`${phase}: ${((performance.now() - since) / 1000).toFixed(1)} s`);
console.log(report.verdict.summary);
console.log(
  `${queryRows} x ${galleryRows} x ${dimension}: ${report.provenance.seconds} s, ` +
    `peak ${(process.resourceUsage().maxRSS / 1024).toFixed(0)} MB (${(before / 1024).toFixed(0)} MB before the audit)`,
);

/**
 * Time and peak memory of opening a table of vectors that cannot be read in place:
 *
 *   bench/tableInput.py FOLDER            writes the files (any Python with numpy, pyarrow)
 *   npm run bench -- tableInput FOLDER    each in a process of its own, with an empty cache; medians of 3
 *
 * Opening means: hashing, converting to float32 rows in the cache, flushed to the disk. Then all rows are read once.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { openVectors } from '../src/core/data/vectorTable.ts';

const ROUNDS = 3;
const [folder, file] = process.argv.slice(2);
if (folder === undefined) {
  console.error('Usage: npm run bench -- tableInput FOLDER');
  process.exit(2);
}
if (file === undefined) measureAll(folder);
else await measure(path.join(folder, file));

function measureAll(place: string): void {
  console.log(
    '| file | MB | seconds to open | of the processor | seconds to read | peak MB |\n|---|---|---|---|---|---|',
  );
  for (const name of readdirSync(place).sort()) {
    const runs: Measured[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      const { stdout, stderr } = spawnSync(process.execPath, [process.argv[1] as string, place, name], {
        encoding: 'utf8',
      });
      if (stdout === '') throw new Error(stderr);
      runs.push(JSON.parse(stdout) as Measured);
    }
    const median = (of: (run: Measured) => number): string =>
      (runs.map(of).sort((x, y) => x - y)[Math.floor(ROUNDS / 2)] as number).toPrecision(3);
    const size = (statSync(path.join(place, name)).size / 1e6).toFixed(0);
    console.log(
      `| ${name} | ${size} | ${median((run) => run.open)} | ${median((run) => run.cpu)} | ${median((run) => run.read)} | ${median((run) => run.peak)} |`,
    );
  }
}

interface Measured {
  open: number;
  /** Of opening, user and system, all threads. */
  cpu: number;
  read: number;
  /** Resident, of the whole process, in MB. */
  peak: number;
}

async function measure(table: string): Promise<void> {
  const cacheFolder = mkdtempSync(path.join(os.tmpdir(), 'backcompat-bench-tables-'));
  try {
    const started = performance.now();
    const before = process.cpuUsage();
    const vectors = await openVectors(table, { cacheFolder });
    const opened = performance.now();
    const { user, system } = process.cpuUsage(before);
    const rows = Math.floor(2 ** 20 / vectors.dimension);
    const block = new Float32Array(rows * vectors.dimension);
    for (let start = 0; start < vectors.count; start += rows) {
      await vectors.read(start, Math.min(rows, vectors.count - start), block);
    }
    const read = performance.now();
    await vectors.close();
    const peak = process.resourceUsage().maxRSS / 1000;
    console.log(
      JSON.stringify({
        open: (opened - started) / 1000,
        cpu: (user + system) / 1e6,
        read: (read - opened) / 1000,
        peak,
      } satisfies Measured),
    );
  } finally {
    rmSync(cacheFolder, { recursive: true, force: true });
  }
}

// Runs one benchmark: node bench/run.mjs <name> [arguments]   (or: npm run bench -- <name> [arguments])
// Bundles bench/<name>.ts into a temporary folder, so that it measures what users run.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync, symlinkSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { buildBundle } from '../scripts/build.mjs';

const folder = path.dirname(fileURLToPath(import.meta.url));
const [name, ...rest] = process.argv.slice(2);
const entry = path.join(folder, `${name}.ts`);
if (name === undefined || !existsSync(entry)) {
  const known = readdirSync(folder)
    .filter((file) => file.endsWith('.ts'))
    .map((file) => path.basename(file, '.ts'));
  console.error(`Usage: node bench/run.mjs <name> [arguments]. Benchmarks: ${known.join(', ')}.`);
  process.exit(2);
}

const temporary = mkdtempSync(path.join(os.tmpdir(), 'backcompat-bench-'));
try {
  // Packages stay outside the bundle and are found through this link.
  symlinkSync(path.join(folder, '../node_modules'), path.join(temporary, 'node_modules'), 'junction');
  const outfile = path.join(temporary, `${name}.mjs`);
  await build({
    entryPoints: [entry],
    outfile,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    packages: 'external',
    logLevel: 'warning',
  });
  // Threads of the product are found beside what runs.
  await buildBundle('countingWorker', { outdir: temporary });
  const { status } = spawnSync(process.execPath, ['--expose-gc', outfile, ...rest], {
    stdio: 'inherit',
    env: { ...process.env, BENCH_FOLDER: folder },
  });
  process.exitCode = status ?? 1;
} finally {
  rmSync(temporary, { recursive: true, force: true });
}

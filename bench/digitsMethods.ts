/**
 * What each method of training gives on the sample's digits: `npm run bench -- digitsMethods [seeds] [epochs] [folder]`.
 *
 * Old model: `builtin:convnet`, 32 components, trained on the digits 0-4. New ones: the same network on all ten. Every training is
 * one run of the command line; the figures are those of the runs' reports (1,000 queries against 3,000 gallery items).
 * A folder that is named keeps the runs, and goes on with them.
 */
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import type { Report } from '../src/core/contract/report.ts';

const [seedsText, epochsText, folderText] = process.argv.slice(2);
const seeds = Number(seedsText ?? 3);
const epochs = Number(epochsText ?? 8);
const root = path.join(process.env.BENCH_FOLDER as string, '..');
const cli = path.join(root, 'dist/cli.js');

const methods: Record<string, Record<string, unknown>> = {
  independent: { method: 'independent' },
  'bct, checkpoint head': { method: 'bct', oldHead: 'checkpoint' },
  'bct, synthesised head': { method: 'bct', oldHead: 'synthesised' },
  'bct, distilled': { method: 'bct', oldHead: 'distilled' },
  l2: { method: 'l2' },
  contrastive: { method: 'contrastive' },
  mixbct: { method: 'mixbct' },
  'advbct-boundary': { method: 'advbct-boundary' },
};
const adapters = ['procrustes', 'linear', 'mlp'];

/** The digits of the built sample, cut by the seed, and a block a method. */
function configOf(seed: number): unknown {
  const common = {
    from: 'builtin:convnet',
    dimension: 32,
    data: 'digits/train',
    epochs,
    optimizer: { name: 'adamw', learningRate: 0.003 },
    seed,
  };
  const evaluate = { queries: 'digits/query', gallery: 'digits/gallery' };
  const blocks = Object.entries(methods).map(([name, settings]) => [
    nameOf(name),
    { ...common, ...settings, old: 'v1', evaluate, ...(name === 'independent' ? {} : { paragon: 'independent' }) },
  ]);
  return {
    datasets: {
      digits: {
        idx: { images: 'digits-images.idx3-ubyte', labels: 'digits-labels.idx1-ubyte' },
        splits: { train: 0.6, gallery: 0.3, query: 0.1 },
        seed,
      },
    },
    training: {
      v1: { ...common, classes: ['0', '1', '2', '3', '4'], method: 'independent', seed: seed + 1000 },
      ...Object.fromEntries(blocks),
    },
    pairs: { adapted: { old: 'v1', new: 'independent', ...evaluate, paragon: 'independent' } },
  };
}

const nameOf = (method: string) => method.replaceAll(/[ ,]+/g, '-');

function run(folder: string, args: string[]): void {
  const { status, stderr } = spawnSync(process.execPath, [cli, ...args], { cwd: folder, encoding: 'utf8' });
  if (status !== 0) throw new Error(`backcompat ${args.join(' ')} ended with ${status}:\n${stderr.slice(-2000)}`);
}

/** The report of a command that writes one; an earlier one is taken as it is. */
function reportOf(folder: string, name: string, args: string[]): Report {
  const file = path.join(folder, `${name}.json`);
  if (!existsSync(file)) run(folder, [...args, '--json', file]);
  return JSON.parse(readFileSync(file, 'utf8')) as Report;
}

interface Row {
  newOldCmc: number;
  newOldMap: number;
  newNewCmc: number | null;
  newNewMap: number | null;
  positive: number;
  negative: number;
  nfr: number;
  tax: number | null;
  state: string;
}

function rowOf(report: Report): Row {
  const { newOld, newNew } = report.retrieval;
  const strict = (side: Report['inequalities']['positive']) => side.byEpsilon[0]?.rate ?? Number.NaN;
  return {
    newOldCmc: newOld['cmc@1']?.value ?? Number.NaN,
    newOldMap: newOld.map?.value ?? Number.NaN,
    newNewCmc: newNew?.['cmc@1']?.value ?? null,
    newNewMap: newNew?.map?.value ?? null,
    positive: strict(report.inequalities.positive),
    negative: strict(report.inequalities.negative),
    nfr: report.flips.negativeFlipRate ?? Number.NaN,
    tax: report.tax?.map ?? null,
    state: report.verdict.state,
  };
}

const rows = new Map<string, Row[]>();
const add = (name: string, row: Row) => rows.set(name, [...(rows.get(name) ?? []), row]);
const base = folderText ? path.resolve(folderText) : mkdtempSync(path.join(os.tmpdir(), 'backcompat-digits-'));
try {
  for (let seed = 0; seed < seeds; seed++) {
    const folder = path.join(base, String(seed));
    mkdirSync(folder, { recursive: true });
    for (const file of ['digits-images.idx3-ubyte', 'digits-labels.idx1-ubyte']) {
      cpSync(path.join(root, 'dist/sample', file), path.join(folder, file));
    }
    writeFileSync(path.join(folder, 'backcompat.json'), JSON.stringify(configOf(seed), null, 2));
    const marker = path.join(folder, 'v1.done');
    if (!existsSync(marker)) {
      run(folder, ['train', '--name', 'v1']);
      writeFileSync(marker, '');
    }
    for (const name of Object.keys(methods)) {
      const report = reportOf(folder, nameOf(name), ['train', '--name', nameOf(name)]);
      if (name === 'independent') {
        const cell = report.retrieval.oldOld;
        const [cmc, map] = [cell['cmc@1']?.value ?? Number.NaN, cell.map?.value ?? Number.NaN];
        const none = { newNewCmc: null, newNewMap: null, positive: 0, negative: 0, nfr: 0, tax: null };
        add('old/old', { newOldCmc: cmc, newOldMap: map, ...none, state: '' });
      }
      add(name, rowOf(report));
      console.error(`seed ${seed}: ${name} ${report.verdict.summary}`);
    }
    for (const kind of adapters) {
      const args = ['adapt', '--pair', 'adapted', '--kind', kind, '-o', `${kind}.onnx`, '--data', 'digits/train'];
      const report = reportOf(folder, `adapter-${kind}`, args);
      add(`independent and ${kind} adapter`, rowOf(report));
      console.error(`seed ${seed}: ${kind} ${report.verdict.summary}`);
    }
  }
} finally {
  if (!folderText) rmSync(base, { recursive: true, force: true });
}

const figure = (values: readonly (number | null)[]) => {
  const known = values.filter((value) => value !== null);
  if (known.length === 0) return '';
  const mean = known.reduce((sum, value) => sum + value, 0) / known.length;
  const spread = Math.max(...known) - Math.min(...known);
  return `${mean.toFixed(3)} (${spread.toFixed(3)})`;
};
console.log(`\nMean of ${seeds} seeds (largest less smallest), ${epochs} epochs.\n`);
console.log(
  '| | newOld CMC@1 | newOld mAP | newNew CMC@1 | newNew mAP | positive | negative | NFR | tax mAP | verdict |',
);
console.log('|---|---|---|---|---|---|---|---|---|---|');
for (const [name, all] of rows) {
  const columns = (
    ['newOldCmc', 'newOldMap', 'newNewCmc', 'newNewMap', 'positive', 'negative', 'nfr', 'tax'] as const
  ).map((key) => figure(all.map((row) => row[key])));
  console.log(`| ${name} | ${columns.join(' | ')} | ${[...new Set(all.map(({ state }) => state))].join(', ')} |`);
}

/**
 * What each method of continual sessions gives: `npm run bench -- sessions [data] [setup] [seeds] [epochs] [folder] [methods]`.
 *
 * data: `digits` (the sample's, five sessions of two classes; needs `npm run build`) or `glyphs` (94 characters in many typefaces,
 * five sessions; needs `node scripts/makeGlyphs.mjs`). setup: `disjoint`, `blurry`, `general` or `all`. Methods: names below, with
 * semicolons between them; default all. Every method is a run of the product. A folder that is named keeps the runs, and goes on
 * with them.
 */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { meanNewClassCost, newClassCosts } from '../src/core/contract/newClassCost.ts';
import { SESSIONS_FILES, type SessionsMethod, type SessionsRecord } from '../src/core/contract/sessions.ts';
import { runSessions } from '../src/core/pipeline/sessions/runSessions.ts';

const [dataText = 'digits', setupText = 'all', seedsText = '1', epochsText = '5', folderText, chosen] =
  process.argv.slice(2);
const root = path.join(process.env.BENCH_FOLDER as string, '..');
const seeds = Number(seedsText);
const epochs = Number(epochsText);

const methods: Record<string, Record<string, unknown> & { name: string }> = {
  'fine-tuning': { name: 'fine-tuning' },
  bct: { name: 'bct' },
  lwf: { name: 'lwf' },
  ewc: { name: 'ewc' },
  'cvs without L_m': { name: 'cvs', alpha: 0 },
  'cvs without L_d': { name: 'cvs', beta: 0 },
  cvs: { name: 'cvs' },
  'cvs, code': { name: 'cvs', form: 'code' },
  'cvs, feature replay': { name: 'cvs', replay: 'features' },
  'cvs, ewc': { name: 'cvs', ewc: 100 },
  expansion: { name: 'expansion' },
  joint: { name: 'joint' },
};

const plans: Record<string, Record<string, unknown>> = {
  disjoint: { setup: 'disjoint' },
  blurry: { setup: 'blurry', percent: 30 },
  general: { setup: 'general', percent: 30, heldBack: 0.5 },
};

interface Data {
  dataset(seed: number): Record<string, unknown>;
  data: string;
  queries: string;
  buffer: number;
}

const sample = path.join(root, 'dist/sample');
const cache = path.join(process.env.XDG_CACHE_HOME || path.join(os.homedir(), '.cache'), 'backcompat');
const sets: Record<string, Data> = {
  digits: {
    dataset: (seed) => ({
      idx: {
        images: path.join(sample, 'digits-images.idx3-ubyte'),
        labels: path.join(sample, 'digits-labels.idx1-ubyte'),
      },
      splits: { train: 0.6, query: 0.1 },
      seed,
    }),
    data: 'train',
    queries: 'query',
    buffer: 200,
  },
  glyphs: {
    dataset: () => ({ manifest: path.join(cache, 'glyphs/manifest.csv'), path: 'file', label: 'label', split: 'part' }),
    data: 'train',
    queries: 'query',
    buffer: 940,
  },
};

function configOf({ dataset, data, queries, buffer }: Data, setup: string, seed: number, method: string): unknown {
  return {
    datasets: { items: dataset(seed) },
    sessions: {
      block: {
        from: 'builtin:convnet',
        dimension: 32,
        data: `items/${data}`,
        queries: `items/${queries}`,
        plan: { ...plans[setup], sessions: 5 },
        methods: [methods[method]],
        buffer,
        epochs,
        optimizer: { name: 'adamw', learningRate: 0.003, schedule: 'constant' },
        seed,
      },
    },
    audit: { bootstrap: { resamples: 100 }, triplets: 20_000, referenceQueries: 200 },
  };
}

/** The record of a run; one that was made before is read, one that was cut short goes on. */
async function recordOf(folder: string, config: unknown): Promise<SessionsMethod> {
  mkdirSync(folder, { recursive: true });
  const marker = path.join(folder, 'done');
  const file = path.join(folder, 'backcompat.json');
  if (!existsSync(marker)) {
    writeFileSync(file, JSON.stringify(config, null, 2));
    const never = new AbortController().signal;
    const directory = path.join(folder, 'run');
    await runSessions(
      {
        configFile: file,
        name: 'block',
        overrides: {},
        threads: null,
        cacheFolder: path.join(folder, 'cache'),
        directory,
        resume: existsSync(path.join(directory, SESSIONS_FILES.inputs)),
      },
      {
        progress: { phase() {}, update() {}, log() {}, async breathe() {} },
        signal: never,
        pause: never,
        event() {},
      },
    );
    writeFileSync(marker, '');
  }
  const record = JSON.parse(readFileSync(path.join(folder, 'run', SESSIONS_FILES.record), 'utf8')) as SessionsRecord;
  return record.methods[0] as SessionsMethod;
}

const mean = (values: readonly (number | null | undefined)[]): number | null => {
  const known = values.filter((value) => value !== null && value !== undefined);
  return known.length < values.length || known.length === 0
    ? null
    : known.reduce((sum, value) => sum + value, 0) / known.length;
};

type Column = (method: SessionsMethod, all: readonly SessionsMethod[]) => number | null | undefined;
const columns: Record<string, Column> = {
  'AR@1': ({ summary }) => summary?.averageRecall[1],
  'AR@4': ({ summary }) => summary?.averageRecall[4],
  mAP: ({ summary }) => summary?.averageMap,
  'last recall@1': ({ sessions }) => sessions.at(-1)?.figures.recall[1],
  'new classes': (method, all) => meanNewClassCost(newClassCosts(method, all), 'recall'),
  'their cost against joint': (method, all) => meanNewClassCost(newClassCosts(method, all), 'againstJoint'),
  'and fine-tuning': (method, all) => meanNewClassCost(newClassCosts(method, all), 'againstFineTuning'),
  'first gallery at the end': ({ summary }) => summary?.matrix.at(-1)?.[0],
  'its decay': ({ summary }) => summary?.decay[0]?.at(-1),
};
const plain: Record<string, Column> = {
  'items kept': ({ sessions }) => sessions.at(-1)?.storage.replayedItems,
  'vectors kept': ({ sessions }) => sessions.at(-1)?.storage.replayedVectors,
  'storage, kB': ({ sessions }) => (sessions.at(-1)?.storage.bytes ?? 0) / 1000,
  parameters: ({ sessions }) => sessions.at(-1)?.parameters,
  seconds: ({ sessions }) => sessions.reduce((sum, { seconds }) => sum + seconds, 0),
};

const base = folderText ? path.resolve(folderText) : mkdtempSync(path.join(os.tmpdir(), 'backcompat-sessions-'));
const names = chosen === undefined ? Object.keys(methods) : chosen.split(';').map((name) => name.trim());
const unknown = [...names.filter((name) => !Object.hasOwn(methods, name)), ...[dataText].filter((name) => !sets[name])];
if (unknown.length > 0) throw new Error(`There is no ${unknown.join(', no ')}.`);
try {
  for (const setup of setupText === 'all' ? Object.keys(plans) : [setupText]) {
    const all = new Map<string, SessionsMethod[]>();
    for (let seed = 0; seed < seeds; seed++) {
      for (const name of names) {
        const folder = path.join(base, `${dataText}-${setup}-${epochs}`, String(seed), name.replaceAll(/[ ,]+/g, '-'));
        const method = await recordOf(folder, configOf(sets[dataText] as Data, setup, seed, name));
        all.set(name, [...(all.get(name) ?? []), method]);
        console.error(`${setup}, seed ${seed}: ${name} AR@1 ${method.summary?.averageRecall[1]?.toFixed(3)}`);
      }
    }
    console.log(`\n${dataText}, ${setup}, mean of ${seeds} seeds, ${epochs} epochs a session.\n`);
    console.log(`| | ${[...Object.keys(columns), ...Object.keys(plain)].join(' | ')} |`);
    console.log(`|---|${'---|'.repeat(Object.keys(columns).length + Object.keys(plain).length)}`);
    for (const [name, ofSeeds] of all) {
      const cell = (column: Column, digits: number) => {
        const value = mean(
          ofSeeds.map((method, seed) =>
            column(
              method,
              [...all.values()].flatMap((others) => others[seed] ?? []),
            ),
          ),
        );
        return value === null ? '' : value.toFixed(digits);
      };
      const cells = [
        ...Object.values(columns).map((column) => cell(column, 3)),
        ...Object.values(plain).map((column) => cell(column, 0)),
      ];
      console.log(`| ${name} | ${cells.join(' | ')} |`);
    }
  }
} finally {
  if (!folderText) rmSync(base, { recursive: true, force: true });
}

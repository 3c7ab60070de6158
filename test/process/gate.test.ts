import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { GateResult, Report } from '../../src/core/contract/report.ts';
import { RUN_FILES } from '../../src/core/contract/runs.ts';
import { writeNpy } from '../../src/core/data/npy.ts';
import { vectorsInMemory } from '../../src/core/data/vectorSource.ts';
import { createRandom } from '../../src/core/numeric/random.ts';
import { listRuns } from '../../src/core/runs/listRuns.ts';
import { buildFakeCli, type CliResult, eventually, runCliProcess, startCli } from './cliProcess.ts';

/** The built command line with its real engine: every exit status, and gates judged again. */
const script = fileURLToPath(new URL('../../dist/cli.js', import.meta.url));
const dimension = 8;
let folder: string;

const at = (...names: string[]) => path.join(folder, ...names);
const cli = (...args: string[]): Promise<CliResult> => runCliProcess(script, args, { cwd: folder });

/** Items around six centres; `own`: centres of another space. */
async function table(name: string, noise: number, { own = false, items = 120 } = {}): Promise<void> {
  const centres = createRandom(1, own ? 'own centres' : 'centres');
  const centre = Float32Array.from({ length: 6 * dimension }, () => centres.normal());
  const random = createRandom(2, name);
  const values = Float32Array.from({ length: items * dimension }, (_, index) => {
    const item = Math.floor(index / dimension);
    return (centre[(item % 6) * dimension + (index % dimension)] as number) + noise * random.normal();
  });
  await writeNpy(at(name), vectorsInMemory(name, values, dimension));
}

function labels(name: string, items = 120): void {
  const rows = Array.from({ length: items }, (_, item) => `item ${item},class ${item % 6}`);
  writeFileSync(at(name), `id,label\n${rows.join('\n')}\n`);
}

const gates = {
  'criterion.map': ['error', { state: 'within-margin' }],
  'classes.*.map.difference': ['warn', { min: 5 }],
};

function config(extra: Record<string, unknown> = {}, pairExtra: Record<string, unknown> = {}): void {
  const checkpoint = (vectors: string) => ({ vectors, labels: 'items.csv' });
  const pair = (next: string) => ({ old: 'old', new: next, queries: 'items', gallery: 'items' });
  const value = {
    datasets: { items: { items: 'items.csv' } },
    checkpoints: { old: checkpoint('old.npy'), good: checkpoint('good.npy'), bad: checkpoint('bad.npy') },
    pairs: { good: { ...pair('good'), ...pairExtra }, bad: pair('bad') },
    audit: { bootstrap: { resamples: 200 }, triplets: 1000 },
    gates,
    ...extra,
  };
  writeFileSync(at('backcompat.json'), JSON.stringify(value, null, 2));
}

let audited: CliResult;

beforeAll(async () => {
  folder = mkdtempSync(path.join(os.tmpdir(), 'backcompat-gate-'));
  await table('old.npy', 1.2);
  await table('good.npy', 0.6);
  await table('bad.npy', 0.6, { own: true });
  labels('items.csv');
  config();
  audited = await cli('audit', '--quiet', '--junit', 'gates.xml', '--markdown', 'comment.md');
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function reportOf(pair: string): Promise<Report> {
  return JSON.parse((await cli('report', pair, '--format', 'json')).stdout) as Report;
}

describe('an audit of a good and a bad pair', () => {
  it('ends with 3, the gravest of both, and writes what pipelines read', () => {
    expect(audited.status, audited.stderr).toBe(3);
    expect(audited.stdout).toBe('');
    expect(audited.stderr).toMatch(/^backcompat\.json:\d+:5: error: bad: criterion\.map is incompatible/m);
    const junit = readFileSync(at('gates.xml'), 'utf8');
    expect(junit).toMatch(
      /^<\?xml version="1\.0" encoding="UTF-8"\?>\n<testsuites name="backcompat" tests="14" failures="1"/,
    );
    expect(junit.match(/<testsuite name="(good|bad)"/g)).toHaveLength(2);
    const markdown = readFileSync(at('comment.md'), 'utf8');
    expect(markdown).toContain('## Backcompat: 2 pairs');
    expect(markdown).toContain('<code>criterion.map</code>');
  });

  it('writes over nothing but what it wrote', async () => {
    writeFileSync(at('notes.md'), '# Mine\n');
    const refused = await cli('audit', '--pair', 'good', '--quiet', '--markdown', 'notes.md');
    expect({ status: refused.status, notes: readFileSync(at('notes.md'), 'utf8') }).toEqual({
      status: 2,
      notes: '# Mine\n',
    });
    expect(refused.stderr).toContain('exists and is not a report');
  });

  it('tells a pipeline of an audit that failed', async () => {
    config({
      checkpoints: {
        old: { vectors: 'old.npy', labels: 'items.csv' },
        good: { vectors: 'gone.npy', labels: 'items.csv' },
        bad: { vectors: 'gone.npy', labels: 'items.csv' },
      },
    });
    const failed = await cli('audit', '--pair', 'good', '--quiet', '--junit', 'failed.xml');
    config();
    expect(failed.status).toBe(2);
    expect(readFileSync(at('failed.xml'), 'utf8')).toMatch(/<error type="audit" message="[^"]*gone\.npy/);
  });
});

describe('exit status', () => {
  it('0 when gates pass, warnings or not', async () => {
    const { status, stdout, stderr } = await cli('gate', 'good');
    expect(status, stderr).toBe(0);
    expect(stdout).toContain('Exit status 0');
    expect(stderr).toMatch(/: warning: good: classes\.class 0\.map\.difference is /);
  });

  it('3 when one fails', async () => {
    const { status, stdout, stderr } = await cli('gate', 'bad');
    expect(status).toBe(3);
    expect(stdout).toMatch(/✗ failed +criterion\.map +incompatible/);
    expect(stderr).toContain('[gate failed]');
  });

  it('4 when one is undecided, which the config may make 3 or 0', async () => {
    const { interval, value } = (await reportOf('good')).retrieval.newOld.map ?? {};
    const limit = ((interval?.[0] ?? 0) + (value ?? 0)) / 2;
    const rule = { 'retrieval.newOld.map': ['error', { min: limit, bound: 'lower' }] };
    for (const [undecided, expected] of [
      [undefined, 4],
      ['report', 4],
      ['fail', 3],
      ['pass', 0],
    ] as const) {
      config({ gates: rule, ...(undecided ? { undecided } : {}) });
      const { status, stdout } = await cli('gate', 'good');
      expect([undecided, status]).toEqual([undecided, expected]);
      expect(stdout).toContain('? undecided');
    }
    // The same limit while auditing.
    config({ gates: rule });
    expect((await cli('audit', '--pair', 'good', '--quiet')).status).toBe(4);
    config();
  });

  it('2 for bad input', async () => {
    const status = async (...args: string[]) => {
      const result = await cli(...args);
      expect(result.stderr).not.toMatch(/^\s+at .*:\d+:\d+/m);
      expect(result.stdout).toBe('');
      return [result.status, result.stderr] as const;
    };
    expect(await status('gate', 'nothing')).toEqual([2, expect.stringContaining('no finished run "nothing"')]);
    expect(await status('gate')).toEqual([2, expect.stringContaining('Which run?')]);
    expect(await status('gate', 'good', '--selftest')).toEqual([2, expect.stringContaining('plants its own')]);
    expect(await status('gate', 'good', '--baseline', 'gone.json')).toEqual([2, expect.stringContaining('gone.json')]);
    config({ baseline: 'gone.json' });
    expect(await status('gate', 'good')).toEqual([
      2,
      expect.stringMatching(/backcompat\.json:\d+:3: error: The baseline/),
    ]);
    const before = (await listRuns(folder)).length;
    expect(await status('audit', '--pair', 'good', '--quiet')).toEqual([2, expect.stringContaining('The baseline')]);
    expect(await listRuns(folder)).toHaveLength(before);
    config({ gates: { 'retreival.newOld.map': ['error', { min: 0 }] } });
    expect(await status('gate', 'good')).toEqual([2, expect.stringMatching(/backcompat\.json:\d+:5: error: The gate/)]);
    config();
  });

  const slow = ['audit', '--old', 'slow-old.npy', '--new', 'slow-new.npy', '--labels', 'slow.csv'];
  const endless = [...slow, '--resamples', '2000000', '--out', 'slow-run'];
  const begun = () =>
    eventually(async () => {
      const [run] = await listRuns(folder);
      return run?.directory === at('slow-run') && run.state === 'running' && run.phase !== null ? run : null;
    }, 60_000);

  it('130 when it is interrupted, 1 when its process dies', async () => {
    await table('slow-old.npy', 1, { items: 1200 });
    await table('slow-new.npy', 1, { items: 1200 });
    labels('slow.csv', 1200);
    const interrupted = startCli(script, endless, { cwd: folder });
    await begun();
    interrupted.child.kill('SIGINT');
    expect((await interrupted.ended).status).toBe(130);
    const killed = startCli(script, endless, { cwd: folder });
    await begun();
    const lock = await eventually(async () =>
      existsSync(at('slow-run', RUN_FILES.lock)) ? readFileSync(at('slow-run', RUN_FILES.lock), 'utf8') : null,
    );
    process.kill(JSON.parse(lock).pid as number, 'SIGKILL');
    const { status, stderr } = await killed.ended;
    expect(stderr).toContain('was killed (SIGKILL)');
    expect(status).toBe(1);
  });
});

describe('gate', () => {
  it('prints JSON, Markdown, JUnit and annotations of the gates of now', async () => {
    config({ gates: { 'flips.negativeFlipRate': ['error', { max: -1 }] } });
    const json = await cli('gate', 'good', '--json');
    expect(json.status).toBe(3);
    const judged = JSON.parse(json.stdout) as { gates: GateResult[]; exitStatus: number; stale: string[] };
    expect(judged).toMatchObject({ pair: 'good', exitStatus: 3, stale: [], config: at('backcompat.json') });
    expect(judged.gates.map(({ rule, state }) => [rule, state])).toEqual([['flips.negativeFlipRate', 'failed']]);
    const github = await cli('gate', 'good', '--format', 'github');
    expect(github.stdout).toMatch(/^::error file=backcompat\.json,line=\d+,col=5,title=Gate failed::good: flips\.neg/);
    expect(github.stderr).toBe('');
    expect((await cli('gate', 'good', '--format', 'md')).stdout).toContain('<code>flips.negativeFlipRate</code>');
    expect((await cli('gate', 'good', '--format', 'junit', '-o', 'again.xml')).status).toBe(3);
    expect(readFileSync(at('again.xml'), 'utf8')).toContain('failures="1"');
    // The run itself stays as it was made.
    expect((await reportOf('good')).gates.map(({ rule }) => rule)).not.toContain('flips.negativeFlipRate');
    config();
  });

  it('compares with a committed report', async () => {
    expect((await cli('report', 'good', '--format', 'json', '-o', 'base/good.compat-report.json')).status).toBe(0);
    config({
      baseline: { good: 'base/good.compat-report.json' },
      gates: { 'retrieval.newOld.map': ['error', { minChange: 0 }] },
    });
    const same = await cli('gate', 'good');
    expect(same.status, same.stderr).toBe(0);
    expect(same.stdout).toContain('No key figure changed against the baseline');
    const none = await cli('gate', 'bad');
    expect(none.status).toBe(3);
    expect(none.stderr).toContain('there is no baseline to compare it with');
    const worse = await cli('gate', 'bad', '--baseline', 'base/good.compat-report.json');
    expect(worse.status).toBe(3);
    expect(worse.stderr).toMatch(/against the baseline's \.\d+, the limit is change ≥ \.000: failed/);
    config();
  });

  it.each([
    ['a checkpoint', () => table('good.npy', 0.7), () => table('good.npy', 0.6), 'new checkpoint "good" gives other'],
    [
      'a label',
      () => writeFileSync(at('items.csv'), `${readFileSync(at('items.csv'), 'utf8')}`.replace(',class 0', ',class 1')),
      () => labels('items.csv'),
      'items or labels',
    ],
    ['the file', () => rmSync(at('good.npy')), () => table('good.npy', 0.6), 'cannot be read'],
    ['the pair', () => config({}, { new: 'bad' }), () => config(), 'new checkpoint of the pair is "bad"'],
    ['the audit block', () => config({ audit: { distance: 'dot' } }), () => config(), 'audit block'],
    ['the pair is gone', () => config({ pairs: {} }), () => config(), 'no pair "good"'],
  ])('measures nothing when %s has changed', async (_, change, restore, words) => {
    await change();
    const { status, stdout, stderr } = await cli('gate', 'good');
    await restore();
    expect(stdout.replace(/\s+/g, ' ')).toContain(words);
    expect(stdout).toContain('The report is stale');
    expect(stderr).toContain('[gate not measured]');
    expect(status).toBe(3);
    expect((await cli('gate', 'good')).status).toBe(0);
  });

  it('judges a report by itself, and tables with a config that is named', async () => {
    const [run] = (await listRuns(folder)).filter(({ name }) => name === 'good');
    const copy = at('copy.compat-report.json');
    writeFileSync(copy, readFileSync(path.join(run?.directory ?? '', 'report.compat-report.json')));
    expect((await cli('gate', copy)).status).toBe(0);
    const tables = ['audit', '--old', 'old.npy', '--new', 'good.npy', '--labels', 'items.csv', '--quiet'];
    expect((await cli(...tables, '--out', 'tables-run', '--resamples', '200')).status).toBe(0);
    const without = await cli('gate', 'tables-run');
    expect(without.status).toBe(2);
    expect(without.stderr).toContain('--config FILE');
    mkdirSync(at('elsewhere'), { recursive: true });
    writeFileSync(at('elsewhere', 'gates.compat.json'), JSON.stringify({ gates }));
    const judged = await cli('gate', 'tables-run', '--config', 'elsewhere/gates.compat.json');
    expect(judged.status, judged.stderr).toBe(0);
    expect(judged.stdout).toContain('criterion.map');
  });
});

describe('gate --selftest', () => {
  it('tells a planted good pair from a bad one, and leaves nothing', async () => {
    const { status, stdout } = await cli('gate', '--selftest');
    expect(status).toBe(0);
    expect(stdout).toContain('All three gates passed');
    expect(stdout).toContain('Gates: three failed');
    expect(stdout).toContain('paragonCells.newNew.map was not measured');
    expect(stdout).toMatch(/The gates tell them apart\.\n$/);
  });

  it('ends with 1 where every audit says the same', async () => {
    const { status, stdout } = await runCliProcess(await buildFakeCli(), ['gate', '--selftest'], { cwd: folder });
    expect(status).toBe(1);
    expect(stdout).toContain('do not tell them apart');
  });
});

import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Report } from '../../src/core/contract/report.ts';
import { openNpy, writeNpy } from '../../src/core/data/npy.ts';
import { vectorsInMemory } from '../../src/core/data/vectorSource.ts';
import { createRandom } from '../../src/core/numeric/random.ts';

/** The built command line with its real engine, on small tables: what arrives where, and what is refused. */
const cli = fileURLToPath(new URL('../../dist/cli.js', import.meta.url));
const items = 120;
const dimension = 8;
let folder: string;

function run(...args: string[]): { status: number | null; stdout: string; stderr: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, [cli, ...args], { cwd: folder, encoding: 'utf8' });
  return { status, stdout, stderr };
}

/** Everything below the folder that was not there after `beforeAll`. */
function leftBehind(): string[] {
  const runs = path.join(folder, '.backcompat/runs');
  return existsSync(runs) ? readdirSync(runs) : [];
}

async function table(name: string, seed: number, change?: (values: Float32Array) => void): Promise<void> {
  const random = createRandom(seed, 'realAudit');
  const values = Float32Array.from({ length: items * dimension }, () => random.normal());
  for (let item = 0; item < items; item++) {
    const at = item * dimension + (item % 6);
    values[at] = (values[at] as number) + 4;
  }
  change?.(values);
  await writeNpy(path.join(folder, name), vectorsInMemory(name, values, dimension));
}

beforeAll(async () => {
  folder = mkdtempSync(path.join(os.tmpdir(), 'backcompat-real-'));
  await table('old.npy', 1);
  await table('new.npy', 2);
  const rows = Array.from({ length: items }, (_, item) => `class ${item % 6}`);
  writeFileSync(path.join(folder, 'labels.csv'), `label\n${rows.join('\n')}\n`);
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('backcompat audit on tables', () => {
  it('writes the report to stdout with --json -, and nothing else', () => {
    const { status, stdout, stderr } = run(
      'audit',
      '--old',
      'old.npy',
      '--new',
      'new.npy',
      '--labels',
      'labels.csv',
      '--json',
      '-',
    );
    expect(status, stderr).toBe(0);
    const report = JSON.parse(stdout) as Report;
    expect(report.data).toMatchObject({ queries: items, gallery: items, classes: 6, sharedItems: items });
    expect(report.old).toMatchObject({ kind: 'table', dimension, normalised: false });
    const [directory] = leftBehind();
    const saved = readFileSync(
      path.join(folder, '.backcompat/runs', directory as string, 'report.compat-report.json'),
      'utf8',
    );
    expect(JSON.parse(saved)).toEqual(report);
    expect(existsSync(path.join(folder, '.backcompat/runs', directory as string, 'report.html'))).toBe(true);
  });

  it('gives the same figures again, whatever the threads', () => {
    const audit = (threads: string) => {
      const args = ['audit', '--old', 'old.npy', '--new', 'new.npy', '--labels', 'labels.csv', '--json', '-'];
      const { provenance: _, ...figures } = JSON.parse(run(...args, '--threads', threads).stdout) as Report;
      return figures;
    };
    const [one, two] = [audit('1'), audit('2')];
    expect(two.retrieval.newOld.map?.value).toBeCloseTo(one.retrieval.newOld.map?.value ?? 0, 6);
    expect(two.inequalities.positive.byEpsilon).toEqual(one.inequalities.positive.byEpsilon);
    expect(two.verdict).toEqual(one.verdict);
  });

  it('maps by the adapter that the command line names, and gives figures by a column', () => {
    const rows = Array.from({ length: items }, (_, item) => `class ${item % 6},part ${item % 4}`);
    writeFileSync(path.join(folder, 'parts.csv'), `label,part\n${rows.join('\n')}\n`);
    const tables = ['audit', '--old', 'old.npy', '--new', 'new.npy', '--labels', 'parts.csv'];
    const mapped = run(...tables, '--dimension-rule', 'project', '--adapter', 'linear', '--json', '-');
    expect(mapped.status, mapped.stderr).toBe(0);
    const report = JSON.parse(mapped.stdout) as Report;
    expect(report.protocol).toMatchObject({ dimensionRule: 'project', adapter: 'linear' });
    expect(report.notes?.join(' ')).toMatch(/ridge linear map of 8 to 8 components, strength \S+, on 60 items/);
    expect(report.slices.part?.map(({ queries }) => queries)).toEqual([30, 30, 30, 30]);
    expect(report.backfill?.displacement).toHaveLength(21);
    const refused = run(...tables, '--dimension-rule', 'project', '--adapter', 'spline');
    expect(refused.status).toBe(2);
    expect(refused.stderr).toContain('procrustes');
  });

  it('takes labels from beside the vectors, and gives the figures of npy and CSV', async () => {
    const lines = async (name: string): Promise<string> => {
      const source = await openNpy(path.join(folder, name));
      const values = new Float32Array(items * dimension);
      await source.read(0, items, values);
      await source.close();
      const row = (item: number) => [...values.subarray(item * dimension, (item + 1) * dimension)];
      return Array.from({ length: items }, (_, item) =>
        JSON.stringify({ id: `i${item}`, label: `class ${item % 6}`, vector: row(item) }),
      ).join('\n');
    };
    writeFileSync(path.join(folder, 'old.jsonl'), await lines('old.npy'));
    writeFileSync(path.join(folder, 'new.jsonl'), await lines('new.npy'));
    const figures = (...args: string[]) => {
      const { status, stdout, stderr } = run('audit', ...args, '--json', '-');
      expect(status, stderr).toBe(0);
      const { retrieval, inequalities, data } = JSON.parse(stdout) as Report;
      return { retrieval, inequalities, classes: data.classes };
    };
    const own = figures('--old', 'old.jsonl', '--new', 'new.jsonl#vector');
    expect(own).toEqual(figures('--old', 'old.npy', '--new', 'new.npy', '--labels', 'old.jsonl'));
    writeFileSync(path.join(folder, 'other.jsonl'), (await lines('new.npy')).replace('"i7"', '"x"'));
    const { status, stderr } = run('audit', '--old', 'old.jsonl', '--new', 'other.jsonl');
    expect(status).toBe(2);
    expect(stderr).toContain('differ in row 8: the ids are "i7" and "x"');
  });

  it('measures what needs no labels when there are none', () => {
    const { status, stdout, stderr } = run('audit', '--old', 'old.npy', '--new', 'new.npy', '--json', '-');
    expect(status, stderr).toBe(0);
    const report = JSON.parse(stdout) as Report;
    expect(report.data).toMatchObject({ labelled: false, queries: items });
    expect(report.agreement).toBeTruthy();
    const mixed = run(
      'audit',
      '--old',
      'old.npy',
      '--labels',
      'labels.csv',
      '--query-old',
      'old.npy',
      '--query-new',
      'new.npy',
    );
    expect(mixed.status).toBe(2);
    expect(mixed.stderr).toContain('have no labels, the other items have');
    expect(mixed.stderr).toContain('--query-labels');
  });

  it.each([
    ['a file that does not exist', ['--old', 'nowhere.npy'], 'nowhere.npy'],
    ['a table of another length', ['--new', 'short.npy'], '60 vectors'],
    ['NaN and zero rows, by number', ['--new', 'bad.npy'], 'row 4 with NaN'],
    ['a header that claims more than the file', ['--old', 'huge.npy'], 'claims'],
    ['something else', ['--old', 'labels.csv'], 'labels.csv holds no vectors; its columns are "label"'],
    ['an array that is not there', ['--old', 'old.npy#x'], 'one npy array, which has no name: "x"'],
    ['vectors of another length without a rule', ['--new', 'wide.npy'], '"slice"'],
    ['one class only', ['--labels', 'one.csv'], 'class "same"'],
    ['no query with a match', ['--labels', 'unique.csv'], 'No query'],
  ])('refuses %s with exit status 2, one message and no trace', async (_, change, expected) => {
    await table('bad.npy', 3, (values) => {
      values[3 * dimension] = Number.NaN;
      values.fill(0, 10 * dimension, 11 * dimension);
    });
    await writeNpy(
      path.join(folder, 'short.npy'),
      vectorsInMemory('short', new Float32Array(60 * dimension).fill(1), dimension),
    );
    await writeNpy(path.join(folder, 'wide.npy'), vectorsInMemory('wide', new Float32Array(items * 12).fill(1), 12));
    writeFileSync(path.join(folder, 'one.csv'), `label\n${'same\n'.repeat(items)}`);
    writeFileSync(
      path.join(folder, 'unique.csv'),
      `label\n${Array.from({ length: items }, (_value, item) => item).join('\n')}\n`,
    );
    const whole = readFileSync(path.join(folder, 'old.npy'), 'latin1');
    writeFileSync(path.join(folder, 'huge.npy'), whole.replace('(120, 8), }       ', '(9999999999, 8), }'), 'latin1');
    const before = leftBehind();
    const given = new Map([
      ['--old', 'old.npy'],
      ['--new', 'new.npy'],
      ['--labels', 'labels.csv'],
    ]);
    for (let i = 0; i < change.length; i += 2) given.set(change[i] as string, change[i + 1] as string);
    const { status, stdout, stderr } = run('audit', ...[...given].flat());
    expect(stderr).toContain(expected);
    expect(status).toBe(2);
    expect(stdout).toBe('');
    expect(stderr).not.toMatch(/\n\s+at .*\.[jt]s:\d+/);
    expect(leftBehind()).toEqual(before);
  });
});

import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createRandom } from '../../src/core/numeric/random.ts';
import { npyTable } from '../fixtures/data/make.ts';
import { runCliProcess } from './cliProcess.ts';

/** `adapt` of the built command line with its real engines, on tables: the new vectors are the old ones turned, and noise. */
const cli = fileURLToPath(new URL('../../dist/cli.js', import.meta.url));
let folder: string;
const run = (...args: string[]) => runCliProcess(cli, args, { cwd: folder });

beforeAll(() => {
  folder = mkdtempSync(path.join(os.tmpdir(), 'backcompat-adapt-'));
  const random = createRandom(5, 'adapt');
  const items = Array.from({ length: 90 }, (_, item) => item);
  const centres = [0, 1, 2].map(() => Array.from({ length: 4 }, () => random.normal()));
  const old = items.map((item) => (centres[item % 3] as number[]).map((value) => value + 0.4 * random.normal()));
  const next = old.map(([a = 0, b = 0, c = 0, d = 0]) => [b, -a, d, -c, 0.1 * random.normal()]);
  writeFileSync(path.join(folder, 'old.npy'), npyTable(old));
  writeFileSync(path.join(folder, 'new.npy'), npyTable(next));
  writeFileSync(path.join(folder, 'items.csv'), `id,label\n${items.map((item) => `${item},${item % 3}`).join('\n')}\n`);
  const table = (vectors: string) => ({ vectors, labels: 'items.csv' });
  const config = {
    datasets: { items: { items: 'items.csv', splits: { fit: 0.5, gallery: 0.5 } } },
    checkpoints: { v1: table('old.npy'), v2: table('new.npy') },
    pairs: { 'v1-v2': { old: 'v1', new: 'v2', gallery: 'items/gallery' } },
    audit: { bootstrap: { resamples: 100 } },
  };
  writeFileSync(path.join(folder, 'backcompat.json'), JSON.stringify(config));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('backcompat adapt', () => {
  it('fits, saves and audits, and the file serves the audit that follows', async () => {
    const fitted = await run(
      'adapt',
      '--data',
      'items/fit',
      '--kind',
      'procrustes',
      '-o',
      'a.onnx',
      '--json',
      'a.json',
    );
    expect(fitted.stderr).not.toContain('error');
    expect(fitted.status).toBe(0);
    expect(fitted.stdout).toContain('a.onnx: semi-orthogonal map of 5 to 4 components, fitted on 45 items');
    const report = JSON.parse(readFileSync(path.join(folder, 'a.json'), 'utf8'));
    expect(report.protocol).toMatchObject({ dimensionRule: 'project', seed: 0 });
    const audit = await run('audit', '--adapter-file', 'a.onnx', '--json', '-');
    expect(JSON.parse(audit.stdout).criterion).toEqual(report.criterion);
  });

  it('says by whom the adapter was judged, and refuses to overwrite', async () => {
    const fitted = await run('adapt', 'backcompat.json', '--pair', 'v1-v2', '-o', 'b.onnx');
    expect(fitted.status).toBe(0);
    expect(fitted.stdout).toMatch(/b\.onnx: ridge linear map of 5 to 4 components, strength .*, fitted on 45 items/);
    expect(fitted.stdout).toContain('judged above by two others of its kind');
    const again = await run('adapt', '-o', 'b.onnx');
    expect(again).toMatchObject({ status: 2 });
    expect(again.stderr).toMatch(/b\.onnx exists\.\n {2}Choose another name, or overwrite it with --force\./);
    const appended = await run('adapt', '-o', 'c.onnx', '--append', 'd.onnx');
    expect(appended.stderr).toContain('"v2" is a table of vectors, behind which nothing can be put');
    expect((await run('adapt', '-o', 'c.npy')).stderr).toContain('c.npy does not end in .onnx');
    expect(existsSync(path.join(folder, 'c.onnx'))).toBe(false);
  });
});

import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openNpy } from '../../src/core/data/npy.ts';
import { largestDifference, modelFixture, readFixture } from '../unit/modelFixtures.ts';
import { runCliProcess, startCli } from './cliProcess.ts';

/** `embed` of the built command line with its real engines. */
const cli = fileURLToPath(new URL('../../dist/cli.js', import.meta.url));
let folder: string;
const run = (...args: string[]) => runCliProcess(cli, ['embed', ...args], { cwd: folder });

beforeAll(() => {
  folder = mkdtempSync(path.join(os.tmpdir(), 'backcompat-embed-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function vectors(name: string): Promise<Float32Array> {
  const source = await openNpy(path.join(folder, name));
  const values = new Float32Array(source.count * source.dimension);
  await source.read(0, source.count, values);
  await source.close();
  return values;
}

describe('backcompat embed', () => {
  it('embeds class folders, so that the result can be audited as tables', async () => {
    const result = await run(modelFixture('encoder/model.onnx'), modelFixture('images'), '-o', 'v.npy');
    expect(result).toMatchObject({ status: 0 });
    expect(result.stdout).toBe('v.npy: 4 vectors of 16\nv.csv: their ids and labels\n');
    expect(result.stderr).toContain('Embedding images with encoder');
    expect(readFileSync(path.join(folder, 'v.csv'), 'utf8')).toBe(
      'id,label\nimages/a/exact.png,a\nimages/a/wide.png,a\nimages/b/small.png,b\nimages/b/tall.png,b\n',
    );
    const again = await run(modelFixture('encoder/model.onnx'), modelFixture('images'), '-o', 'v.npy', '--quiet');
    expect(again).toMatchObject({ status: 0, stdout: '', stderr: '' });
    const audit = ['audit', '--old', 'v.npy', '--new', 'v.npy', '--labels', 'v.csv', '--json', '-'];
    const { status, stdout, stderr } = await runCliProcess(cli, audit, { cwd: folder });
    expect(stderr).not.toContain('error');
    expect(status).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ data: { queries: 4, classes: 2 } });
  });

  it('embeds texts with ids and slices', async () => {
    const { texts, mean } = readFixture<{ texts: string[]; mean: number[][] }>('bert', 'expected.json');
    const rows = texts.map((title, row) =>
      JSON.stringify({ title, sku: `"${row % 3}", odd`, lang: row % 2 ? 'en' : 'de' }),
    );
    writeFileSync(path.join(folder, 't.jsonl'), rows.join('\n'));
    const model = modelFixture('bert/onnx/model.onnx');
    const result = await run(model, 't.jsonl', '--field', 'title', '--label', 'sku', '-o', 't.npy', '--threads', '1');
    expect(result).toMatchObject({ status: 0 });
    expect(largestDifference(await vectors('t.npy'), mean)).toBeLessThan(1e-4);
    const [header, first] = readFileSync(path.join(folder, 't.csv'), 'utf8').split('\n');
    expect(header).toBe('id,label,lang');
    expect(first).toBe('t/0,"""0"", odd",de');
  });

  it('takes names of a config, and a model of TensorFlow.js', async () => {
    const config = {
      datasets: { pictures: { images: modelFixture('images'), splits: { half: 0.5 } } },
      checkpoints: { first: { model: modelFixture('tfjs/graph/model.json') } },
    };
    writeFileSync(path.join(folder, 'backcompat.json'), JSON.stringify(config));
    expect(await run('first', 'pictures/half', '-o', 'g.npy')).toMatchObject({ status: 0 });
    expect(readFileSync(path.join(folder, 'g.csv'), 'utf8').trim().split('\n')).toHaveLength(3);
    const wrong = await run('frist', 'pictures', '-o', 'g2.npy');
    expect(wrong).toMatchObject({ status: 2 });
    expect(wrong.stderr).toContain('Did you mean "first"?');
    expect((await run('first', 'pictures', '-o', 'g2.npy', '--output', 'x')).stderr).toContain(
      '--output: of a checkpoint',
    );
    rmSync(path.join(folder, 'backcompat.json'));
  });

  it('overwrites nothing of another kind without --force, and leaves nothing after a failure', async () => {
    const model = modelFixture('encoder/model.onnx');
    const images = modelFixture('images');
    writeFileSync(path.join(folder, 'thesis.npy'), 'my thesis');
    const refused = await run(model, images, '-o', 'thesis.npy');
    expect(refused).toMatchObject({ status: 2 });
    expect(refused.stderr).toContain('thesis.npy exists and was not written by an embedding');
    expect(readFileSync(path.join(folder, 'thesis.npy'), 'utf8')).toBe('my thesis');
    writeFileSync(path.join(folder, 'w.csv'), 'name,price\na,1\n');
    expect(await run(model, images, '-o', 'w.npy')).toMatchObject({ status: 2 });
    expect(existsSync(path.join(folder, 'w.npy'))).toBe(false);
    expect(await run(model, images, '-o', 'w.npy', '--force')).toMatchObject({ status: 0 });
    expect((await run(model, images, '-o', 'w.txt')).stderr).toContain('does not end in .npy');
    const before = readdirSync(folder);
    expect(await run(modelFixture('tfjs/twoOutputs/model.json'), images, '-o', 'two.npy')).toMatchObject({ status: 2 });
    expect((await run('gone.onnx', images, '-o', 'two.npy')).stderr).toContain('gone.onnx does not exist');
    expect(readdirSync(folder)).toEqual(before);
  });

  it('ends with 130 when it is cancelled, without a file', async () => {
    const rows = Array.from({ length: 40_000 }, (_, row) =>
      JSON.stringify({ text: `item ${row} `.repeat(8), label: row % 5 }),
    );
    writeFileSync(path.join(folder, 'many.jsonl'), rows.join('\n'));
    const args = ['embed', modelFixture('bert/onnx/model.onnx'), 'many.jsonl', '-o', 'many.npy'];
    const running = startCli(cli, args, { cwd: folder });
    await running.printed(/Embedding many/);
    running.child.kill('SIGINT');
    expect(await running.ended).toMatchObject({ status: 130 });
    expect(readdirSync(folder).filter((name) => name.startsWith('many') || name.includes('.tmp'))).toEqual([
      'many.jsonl',
    ]);
  });
});

import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { fromBinary, toBinary } from '@bufbuild/protobuf';
import { describe, expect, it } from 'vitest';
import { type Adapter, fitAdapter } from '../../src/core/audit/adapters/adapter.ts';
import { adapterModel, openAdapter, saveAdapter } from '../../src/core/audit/adapters/adapterFile.ts';
import type { Matrix } from '../../src/core/audit/vectors.ts';
import { type AdapterKind, adapterKinds, type Distance } from '../../src/core/contract/report.ts';
import { GraphBuilder } from '../../src/core/engine/graph.ts';
import { ModelProtoSchema } from '../../src/core/engine/proto/onnx_pb.js';
import { createSession } from '../../src/core/engine/session.ts';
import { appendAdapter } from '../../src/core/models/appendAdapter.ts';
import { createRandom } from '../../src/core/numeric/random.ts';
import { errorOf, temporaryFolder } from '../fixtures/data/make.ts';
import { modelFixture } from './modelFixtures.ts';
import { silentProgress } from './silentProgress.ts';

function gaussian(rows: number, columns: number, seed: number): Matrix {
  const random = createRandom(seed, 'adapter files');
  return { rows, columns, values: Float32Array.from({ length: rows * columns }, () => 3 * random.normal()) };
}

function fitted(kind: AdapterKind, distance: Distance, newColumns = 7, oldColumns = 5): Promise<Adapter> {
  async function* blocks() {
    yield { from: gaussian(200, newColumns, 1), to: gaussian(200, oldColumns, 2) };
  }
  const options = { seed: 1, threads: 1, distance };
  return fitAdapter(kind, blocks, { newColumns, oldColumns }, options, { progress: silentProgress });
}

const largestDifference = (a: ArrayLike<number>, b: ArrayLike<number>) =>
  Math.max(...Array.from(a, (value, k) => Math.abs(value - (b[k] as number))));

const shape = { newColumns: 7, oldColumns: 5 };

describe('an adapter as a file', () => {
  it.each(adapterKinds)('%s: maps as the one that was fitted, whatever the distance', async (kind) => {
    const some = gaussian(20, 7, 3);
    some.values.fill(0, 7, 14);
    for (const distance of ['cosine', 'euclidean'] as const) {
      const adapter = await fitted(kind, distance);
      const file = path.join(temporaryFolder(), 'adapter.onnx');
      await saveAdapter(adapter, file);
      const opened = await openAdapter(file, shape, 1);
      const { rows, columns, values } = await opened.apply(some);
      expect([rows, columns]).toEqual([20, 5]);
      // Float32 products against double ones.
      expect(largestDifference(values, (await adapter.apply(some)).values)).toBeLessThan(1e-5);
      expect([...values.subarray(5, 10)]).toEqual([0, 0, 0, 0, 0]);
      await opened.close();
    }
  });

  it('by hand: lengths 5 and 2, a quarter turn, and a hidden unit', async () => {
    const file = path.join(temporaryFolder(), 'adapter.onnx');
    const linear = Float64Array.of(0, 1, -1, 0);
    const map = { newColumns: 2, oldColumns: 2, normalises: true, linear, network: null };
    await writeFile(file, adapterModel(map));
    const input = { rows: 2, columns: 2, values: Float32Array.of(3, 4, -2, 0) };
    const turned = await openAdapter(file, { newColumns: 2, oldColumns: 2 }, 1);
    expect(largestDifference((await turned.apply(input)).values, [-0.8, 0.6, 0, -1])).toBeLessThan(1e-6);
    await turned.close();
    // relu(3 - 4) is 0, relu(-2 - 0) too, and the other way round 1 and 2: added to the first component.
    const network = { hidden: 1, first: Float32Array.of(-1, 1), second: Float32Array.of(1, 0) };
    await writeFile(file, adapterModel({ ...map, normalises: false, network }));
    const bent = await openAdapter(file, { newColumns: 2, oldColumns: 2 }, 1);
    expect([...(await bent.apply(input)).values]).toEqual([-3, 3, 2, -2]);
    await bent.close();
  });

  it('is refused where it does not fit, naming all lengths', async () => {
    const file = path.join(temporaryFolder(), 'adapter.onnx');
    await saveAdapter(await fitted('procrustes', 'cosine'), file);
    expect(await errorOf(openAdapter(file, { newColumns: 8, oldColumns: 5 }, 1))).toMatchObject({
      code: 'dimension-mismatch',
      message: expect.stringMatching(/maps vectors of 7 to 5 components; the new vectors have 8, the old ones 5/),
    });
    expect(await errorOf(openAdapter(modelFixture('encoder', 'model.onnx'), shape, 1))).toMatchObject({
      code: 'bad-model',
      message: expect.stringMatching(/is no adapter of vectors: it takes /),
    });
    expect(await errorOf(openAdapter(path.join(path.dirname(file), 'gone.onnx'), shape, 1))).toMatchObject({
      code: 'not-found',
    });
    const linear = new Float64Array(35).fill(Number.POSITIVE_INFINITY);
    await writeFile(file, adapterModel({ ...shape, normalises: false, linear, network: null }));
    const broken = await openAdapter(file, shape, 1);
    expect((await errorOf(broken.apply(gaussian(3, 7, 4)))).message).toMatch(/gave NaN or infinite numbers/);
    await broken.close();
  });
});

/** x [n, 4] -> relu(x A) = embedding [n, 7], and doubled [n, 7]. */
function encoder(opset: number): Uint8Array {
  const graph = new GraphBuilder('encoder', opset);
  const x = graph.input('x', 'float32', ['batch', 4]);
  const embedding = graph.node('Relu', [graph.node('MatMul', [x, graph.constant(gaussian(4, 7, 5).values, [4, 7])])]);
  graph.output('embedding', embedding, 'float32', ['batch', 7]);
  graph.output('doubled', graph.node('Add', [embedding, embedding]), 'float32', ['batch', 7]);
  return graph.build();
}

async function appended(opset: number, kind: AdapterKind = 'mlp') {
  const folder = temporaryFolder();
  const request = {
    model: path.join(folder, 'v2.onnx'),
    output: 'embedding',
    adapter: path.join(folder, 'adapter.onnx'),
    out: path.join(folder, 'out', 'v2-adapted.onnx'),
  };
  await writeFile(request.model, encoder(opset));
  const adapter = await fitted(kind, 'cosine');
  await saveAdapter(adapter, request.adapter);
  return { request, adapter };
}

describe('an adapter behind a checkpoint', () => {
  it.each([11, 17, 21])('opset %d: the embedding adapted, under the same names, the rest as it was', async (opset) => {
    const { request, adapter } = await appended(opset);
    await appendAdapter(request);
    const x = gaussian(6, 4, 6);
    const feeds = { x: { shape: [6, 4], data: x.values } };
    const before = await createSession(request.model, { threads: 1 });
    const after = await createSession(request.out, { threads: 1 });
    expect(after.inputs).toEqual(before.inputs);
    expect(after.outputs).toEqual([
      { name: 'embedding', type: 'float32', shape: ['batch', 5] },
      { name: 'doubled', type: 'float32', shape: ['batch', 7] },
    ]);
    const { embedding, doubled } = await before.run(feeds);
    const results = await after.run(feeds);
    const mapped = await adapter.apply({ rows: 6, columns: 7, values: embedding?.data as Float32Array });
    expect(largestDifference(results.embedding?.data as Float32Array, mapped.values)).toBeLessThan(1e-5);
    expect(results.doubled?.data).toEqual(doubled?.data);
    await before.release();
    await after.release();
  });

  it('can be put behind an adapted checkpoint again: names stay apart', async () => {
    const { request } = await appended(17, 'linear');
    await appendAdapter(request);
    const folder = path.dirname(request.model);
    const second = {
      ...request,
      model: request.out,
      adapter: path.join(folder, '2.onnx'),
      out: path.join(folder, '3.onnx'),
    };
    await saveAdapter(await fitted('linear', 'cosine', 5, 3), second.adapter);
    await appendAdapter(second);
    const session = await createSession(second.out, { threads: 1 });
    expect(session.outputs[0]).toEqual({ name: 'embedding', type: 'float32', shape: ['batch', 3] });
    await session.release();
  });

  it('takes weights in files of their own along, and overwrites none', async () => {
    const folder = temporaryFolder();
    const model = modelFixture('external', 'one', 'model.onnx');
    const session = await createSession(model, { threads: 1 });
    const [output] = session.outputs;
    const width = output?.shape[1] as number;
    await session.release();
    const adapter = path.join(folder, 'adapter.onnx');
    await saveAdapter(await fitted('linear', 'cosine', width, 3), adapter);
    const out = path.join(folder, 'out', 'model.onnx');
    await appendAdapter({ model, output: output?.name as string, adapter, out });
    const moved = await createSession(out, { threads: 1 });
    expect(moved.outputs[0]?.shape[1]).toBe(3);
    await moved.release();
    expect(await errorOf(appendAdapter({ model, output: output?.name as string, adapter, out }))).toMatchObject({
      code: 'in-use',
      message: expect.stringMatching(/model\.onnx\.data exists/),
    });
  });

  it('is refused by name: output, width, form, kind of file, operators of another time', async () => {
    const { request } = await appended(17, 'linear');
    const refusal = (change: Partial<typeof request>) => errorOf(appendAdapter({ ...request, ...change }));
    expect((await refusal({ output: 'vector' })).message).toMatch(
      /has no output "vector"; it has "embedding", "doubled"/,
    );
    expect((await refusal({ model: 'model.json' })).message).toMatch(/is no ONNX model/);
    const narrow = path.join(path.dirname(request.model), 'narrow.onnx');
    await saveAdapter(await fitted('linear', 'cosine', 6, 3), narrow);
    expect(await refusal({ adapter: narrow })).toMatchObject({
      code: 'dimension-mismatch',
      message: expect.stringMatching(/has 7 components, the adapter .*narrow\.onnx takes 6/),
    });
    expect(
      (await refusal({ model: modelFixture('bert', 'onnx', 'model.onnx'), output: 'last_hidden_state' })).message,
    ).toMatch(/is no float32 table \[n, length\]: the vector is made from it outside the file/);
    // ReduceSum takes its axes as an input since opset 13.
    const other = new GraphBuilder('other', 21);
    const rows = other.input('rows', 'float32', ['n', 7]);
    other.output('sum', other.node('ReduceSum', [rows, other.int64s([1])]), 'float32', ['n', 1]);
    await writeFile(narrow, other.build());
    expect((await refusal({ adapter: narrow })).message).toMatch(
      /uses ReduceSum of opset 21, the model .* has opset 17/,
    );
    expect(existsSync(request.out)).toBe(false);
  });

  it('keeps metadata', async () => {
    const { request } = await appended(17, 'linear');
    const model = fromBinary(ModelProtoSchema, await readFile(request.model));
    model.producerName = 'pytorch';
    model.metadataProps.push({ $typeName: 'onnx.StringStringEntryProto', key: 'task', value: 'shoes' });
    await writeFile(request.model, toBinary(ModelProtoSchema, model));
    await appendAdapter(request);
    const joined = fromBinary(ModelProtoSchema, await readFile(request.out));
    expect(joined).toMatchObject({ producerName: 'pytorch', opsetImport: model.opsetImport });
    expect(joined.metadataProps.map(({ key, value }) => [key, value])).toEqual([['task', 'shoes']]);
  });
});

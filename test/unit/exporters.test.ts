import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, test } from 'vitest';
import { readSafetensors, readTensorValues } from '../../src/core/data/safetensors.ts';
import { readOnnxModel } from '../../src/core/engine/onnxModel.ts';
import type { Operations } from '../../src/core/engine/operations.ts';
import { createSession } from '../../src/core/engine/session.ts';
import type { Objective, ObjectiveStep } from '../../src/core/training/objectives/objective.ts';
import { createOnnxTrainer } from '../../src/core/training/onnxTrainer.ts';
import type { TrainingTensor } from '../../src/core/training/trainer.ts';

/** Models as PyTorch's two exporters write them: bench/reference/makeZoo.py --fixtures. */
const fixtures = fileURLToPath(new URL('../fixtures/exporters', import.meta.url));
const folder = mkdtempSync(path.join(os.tmpdir(), 'backcompat-exporters-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function readReference(name: string) {
  const file = path.join(fixtures, name, 'reference.safetensors');
  const bytes = readFileSync(file);
  const inputs: Record<string, TrainingTensor> = {};
  let vectors = new Float32Array(0);
  for (const tensor of (await readSafetensors(file)).tensors) {
    const { shape, dtype, offset } = tensor;
    const count = shape.reduce((product, size) => product * size, 1);
    const data =
      dtype === 'I64'
        ? new BigInt64Array(new Uint8Array(bytes.subarray(offset, offset + 8 * count)).buffer)
        : await readTensorValues(file, tensor);
    if (tensor.name === 'vectors') vectors = data as typeof vectors;
    else inputs[tensor.name.replace('input/', '')] = { shape, data };
  }
  return { inputs, vectors };
}

/** Pushes the vectors apart: minus the squared distance of the first from the second. */
const apart: Objective = {
  name: 'apart',
  fields: [],
  parameters: [],
  terms<T>(ops: Operations<T>, { embedding }: ObjectiveStep<T>) {
    const difference = ops.subtract(ops.slice(embedding, 0, 0, 1), ops.slice(embedding, 0, 1, 2));
    return { apart: ops.negate(ops.sum(ops.square(difference), null)) };
  },
};

/** Weights, and what people are told. */
const expected: Record<string, { trained: number; frozen: string[]; note: string | null }> = {
  'mobilefacenet-ts-default': { trained: 23, frozen: ['statistics of a BatchNormalization'], note: null },
  'mobilefacenet-dyn-default': { trained: 23, frozen: ['a buffer of the PyTorch model'], note: null },
  'bert-ts-14-fresh': { trained: 21, frozen: [], note: 'was merged by the exporter' },
  'bert-dyn-default-fresh': { trained: 21, frozen: ['a single number'], note: 'was merged by the exporter' },
  'vit-dyn-23': { trained: 30, frozen: [], note: null },
};

describe('files of both exporters', () => {
  test('are all looked at', () => {
    expect(readdirSync(fixtures).toSorted()).toEqual(Object.keys(expected).toSorted());
  });

  test.each(Object.keys(expected))('%s is trained and goes out as it came in', async (name) => {
    const { trained, frozen, note } = expected[name] as (typeof expected)[string];
    const { inputs, vectors } = await readReference(name);
    const file = path.join(fixtures, name, 'model.onnx');
    const trainer = await createOnnxTrainer({
      start: { kind: 'file', file, output: 'vectors' },
      trainable: 'all',
      objective: apart,
      optimizer: { name: 'adamw', weightDecay: 0, beta1: 0.9, beta2: 0.999, epsilon: 1e-8 },
      clipNorm: 1,
      threads: 1,
      lowMemory: false,
    });
    expect(trainer.parameters.filter(({ isTrained }) => isTrained)).toHaveLength(trained);
    const reasons = trainer.parameters.flatMap(({ reason }) => reason ?? []);
    expect([...new Set(reasons)]).toEqual(frozen);
    expect(trainer.notes.some((text) => note !== null && text.includes(note))).toBe(note !== null);
    const batch = { count: 2, inputs, fields: {} };
    const start = await trainer.embed(batch);
    // PyTorch computed them in float64.
    for (const [index, value] of vectors.entries()) expect(start[index]).toBeCloseTo(value, 5);
    const losses: number[] = [];
    for (let step = 0; step < 4; step++) losses.push((await trainer.step(batch, 1e-3)).loss);
    expect(losses).toEqual(losses.toSorted((a, b) => b - a));

    const own = await trainer.embed(batch);
    const written = await trainer.save(path.join(folder, name));
    await trainer.close();
    const session = await createSession(written);
    const again = (await session.run(inputs, ['vectors'])).vectors?.data as Float32Array;
    await session.release();
    for (const [index, value] of own.entries()) expect(again[index]).toBeCloseTo(value, 6);
    expect(Array.from(own)).not.toEqual(Array.from(start));

    const before = await readOnnxModel(file);
    const after = await readOnnxModel(written);
    expect(after.metadataProps).toEqual(before.metadataProps);
    expect(after.opsetImport).toEqual(before.opsetImport);
    expect([after.irVersion, after.producerName]).toEqual([before.irVersion, before.producerName]);
    expect(after.graph?.input).toEqual(before.graph?.input);
    expect(after.graph?.output).toEqual(before.graph?.output);
    expect(after.graph?.metadataProps).toEqual(before.graph?.metadataProps);
    const shapes = (model: typeof before) =>
      model.graph?.initializer
        .filter((tensor) => !tensor.name.includes('#'))
        .map((tensor) => [tensor.name, tensor.dims, tensor.dataLocation]);
    expect(shapes(after)).toEqual(shapes(before));
    expect(after.graph?.node.map((node) => [node.name, node.output, node.metadataProps])).toEqual(
      before.graph?.node.map((node) => [node.name, node.output, node.metadataProps]),
    );
  });
});

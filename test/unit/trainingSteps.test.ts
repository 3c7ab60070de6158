import { readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import type { Head } from '../../src/core/training/heads/head.ts';
import { headForm } from '../../src/core/training/heads/head.ts';
import { createObjective, objectiveSettings } from '../../src/core/training/objectives/createObjective.ts';
import { createOnnxTrainer } from '../../src/core/training/onnxTrainer.ts';
import type { OptimizerSettings, TrainingTensor } from '../../src/core/training/trainer.ts';

/** Made by bench/reference/makeTrainingFixtures.py. */
const folder = path.join(path.dirname(fileURLToPath(import.meta.url)), '../fixtures/training/steps');

interface Reference {
  optimizer: OptimizerSettings & { learningRate: number };
  clipNorm: number;
  shape: number[];
  labels: number[];
  head: { weight: number[][]; bias: number[] };
  batch: number;
  losses: number[];
  gradientNorms: number[];
}
const references: Record<string, Reference> = JSON.parse(readFileSync(path.join(folder, 'steps.json'), 'utf8'));

/** The batch of a step: items in order, from the start again after the last. */
function batchOf({ shape, labels, batch }: Reference, all: Float32Array | BigInt64Array, name: string, step: number) {
  const items = Array.from({ length: batch }, (_, i) => (step * batch + i) % labels.length);
  const size = shape.slice(1).reduce((product, length) => product * length, 1);
  const rows = items.map((item) => all.subarray(item * size, (item + 1) * size));
  const data = all instanceof Float32Array ? new Float32Array(batch * size) : new BigInt64Array(batch * size);
  for (const [i, row] of rows.entries()) data.set(row as never, i * size);
  const input: TrainingTensor = { shape: [batch, ...shape.slice(1)], data };
  const fields = { labels: { shape: [batch], data: Int32Array.from(items, (item) => labels[item] as number) } };
  return { count: batch, inputs: { [name]: input }, fields };
}

describe('25 steps are those of PyTorch', () => {
  it.each([
    ['a convolutional network, SGD with Nesterov momentum', 'conv', 'images'],
    ['a transformer, AdamW', 'encoder', 'ids'],
  ])('%s', async (_, name, input) => {
    const reference = references[name] as Reference;
    const bytes = readFileSync(path.join(folder, `${name}.bin`));
    const buffer = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength);
    const data = input === 'images' ? new Float32Array(buffer) : new BigInt64Array(buffer);
    const head: Head = {
      ...headForm('linear'),
      classNames: reference.head.bias.map((_, i) => `class ${i}`),
      dimension: (reference.head.weight[0] as number[]).length,
      rows: Float32Array.from(reference.head.weight.flat()),
      bias: Float32Array.from(reference.head.bias),
    };
    const { learningRate, ...optimizer } = reference.optimizer;
    const trainer = await createOnnxTrainer({
      start: { kind: 'file', file: path.join(folder, `${name}.onnx`), output: 'vectors' },
      trainable: 'all',
      objective: createObjective(objectiveSettings({ method: 'independent' }), { head, old: null }),
      optimizer: optimizer as OptimizerSettings,
      clipNorm: reference.clipNorm,
      threads: 1,
      lowMemory: false,
    });
    try {
      for (const [step, expected] of reference.losses.entries()) {
        const { loss, gradientNorm } = await trainer.step(batchOf(reference, data, input, step), learningRate);
        // Rounding grows from step to step in either implementation.
        expect(Math.abs(loss - expected) / expected, `loss of step ${step}`).toBeLessThan(1e-3);
        const norm = reference.gradientNorms[step] as number;
        expect(Math.abs(gradientNorm - norm) / norm, `gradient norm of step ${step}`).toBeLessThan(5e-3);
        if (step === 0) expect(Math.abs(gradientNorm - norm) / norm).toBeLessThan(1e-5);
      }
    } finally {
      await trainer.close();
    }
  });
});

import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { createSession } from '../../src/core/engine/session.ts';
import { builtinNetwork } from '../../src/core/models/trainable/builtinNetwork.ts';

const digits = { name: 'convnet', dimension: 16, channels: 1, height: 28, width: 28, seed: 7 } as const;
const folder = mkdtempSync(path.join(os.tmpdir(), 'backcompat-builtin-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test('the convolutional net has named weights that follow from its seed, and knows its shapes', async () => {
  const [network, again, other] = await Promise.all(
    [7, 7, 8].map((seed) => builtinNetwork({ ...digits, seed }, 'all')),
  );
  const weights = network?.parameters ?? [];
  expect(weights.map(({ name, shape }) => `${name} ${shape.join(' ')}`)).toEqual([
    'stage1.conv.weight 32 1 3 3',
    'stage1.conv.bias 32',
    'stage2.conv.weight 64 32 3 3',
    'stage2.conv.bias 64',
    'stage3.conv.weight 128 64 3 3',
    'stage3.conv.bias 128',
    'embedding.weight 16 1152',
    'embedding.bias 16',
  ]);
  expect(weights.map(({ data }) => data)).toEqual(again?.parameters.map(({ data }) => data));
  expect(weights[0]?.data).not.toEqual(other?.parameters[0]?.data);
  // He: variance 2 / 288 over 18,432 numbers, whose estimate varies by sqrt(2 / 18432) = 1 %; four times that.
  const second = weights[2]?.data ?? new Float32Array(0);
  const variance = second.reduce((sum, value) => sum + value * value, 0) / second.length;
  expect(Math.abs((variance * 288) / 2 - 1)).toBeLessThan(0.042);
  expect(network?.dimension).toBe(16);
  expect(network?.facts.get('embedding')).toEqual({ shape: [null, 16], type: 'float32' });
});

test('the written net takes any number of images', async () => {
  const network = await builtinNetwork({ ...digits, height: 64, width: 40, channels: 3 }, 'all');
  const weights = Object.fromEntries(network.parameters.map(({ name, data }) => [name, data]));
  const session = await createSession(await network.write(folder, weights));
  const images = new Float32Array(3 * 3 * 64 * 40).map((_, index) => Math.sin(index));
  const result = await session.run({ images: { shape: [3, 3, 64, 40], data: images } });
  expect(result.embedding?.shape).toEqual([3, 16]);
  await session.release();
});

test.each([32, 64])('resnet18 on images of %i px: its stem, and its last layer alone trained', async (side) => {
  const network = await builtinNetwork({ ...digits, name: 'resnet18', height: side, width: side }, 'embedding');
  expect(network.parameters.map(({ name }) => name)).toEqual(['embedding.weight', 'embedding.bias']);
  expect(network.frozen).toHaveLength(40);
  expect(network.facts.get('embedding')?.shape).toEqual([null, 16]);
  // The pooled value: 512 channels, 4 x 4 places before from 32 px without halving, 2 x 2 from 64 px with it.
  const pooled = network.graph.program.find(({ opType }) => opType === 'GlobalAveragePool');
  const places = side === 32 ? 4 : 2;
  expect(network.facts.get(pooled?.input[0] ?? '')?.shape).toEqual([null, 512, places, places]);
});

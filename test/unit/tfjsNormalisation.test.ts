import { createRequire } from 'node:module';
import path from 'node:path';
import type { Tensor } from '@tensorflow/tfjs-core';
import type { layers as all } from '@tensorflow/tfjs-layers';
import { describe, expect, it } from 'vitest';
import { plainNormalisations } from '../../src/core/engine/tfjsNormalisation.ts';
import { tfjsFolder, tfjsRuntime } from '../../src/core/engine/tfjsRuntime.ts';
import { createRandom } from '../../src/core/numeric/random.ts';

type Layers = typeof import('@tensorflow/tfjs-layers')['layers'];
type Layer = all.Layer;

const { core } = await tfjsRuntime();
const { layers } = createRequire(path.join(tfjsFolder(), 'package.json'))('@tensorflow/tfjs-node') as {
  layers: Layers;
};
const random = createRandom(6, 'normalisation');
const normals = (shape: number[]): Tensor =>
  core.tensor(
    Float32Array.from({ length: shape.reduce((product, size) => product * size, 1) }, () => random.normal()),
    shape,
  );

/** A layer with other weights than ones and zeros; variances are positive. */
function filled(layer: Layer, shape: number[]): Layer {
  layer.build([null, ...shape.slice(1)]);
  layer.setWeights(
    layer.weights.map(({ originalName, shape: size }) => {
      const values = normals(size as number[]);
      return originalName.includes('variance') ? core.add(core.square(values), 0.5) : values;
    }),
  );
  return layer;
}

describe('normalisations of plain operations', () => {
  it.each<[string, () => Layer, number[]]>([
    ['batch', () => layers.batchNormalization({}), [3, 4, 5, 6]],
    ['batch, of channels first', () => layers.batchNormalization({ axis: 1 }), [3, 4, 5, 6]],
    ['batch, of rows, without scale', () => layers.batchNormalization({ scale: false, epsilon: 0.1 }), [5, 7]],
    ['batch, without shift', () => layers.batchNormalization({ center: false }), [3, 4, 5, 6]],
    ['layer', () => layers.layerNormalization({}), [3, 4, 6]],
    ['layer, over two axes', () => layers.layerNormalization({ axis: [1, 2] }), [3, 4, 6]],
    ['layer, without scale and shift', () => layers.layerNormalization({ scale: false, center: false }), [5, 7]],
  ])('%s: the numbers of TensorFlow.js, and a gradient', (_, make, shape) => {
    core.tidy(() => {
      const layer = filled(make(), shape);
      const x = normals(shape);
      const weights = normals(shape);
      const expected = (layer.call(x, { training: false }) as Tensor).dataSync();
      expect(plainNormalisations(core, [layer])).toBe(layer.getClassName() === 'BatchNormalization');
      const loss = (input: Tensor) => core.sum(core.mul(layer.call(input, { training: false }) as Tensor, weights));
      const found = (layer.call(x, { training: false }) as Tensor).dataSync();
      expected.forEach((value, i) => {
        expect(Math.abs((found[i] as number) - value)).toBeLessThan(1e-5 * (1 + Math.abs(value)));
      });
      const gradient = core.grad(loss)(x).dataSync();
      const values = x.dataSync();
      // Rounding of float32 sums of about 10, 1e-6, over the step.
      const h = 1e-2;
      for (let i = 0; i < values.length; i += 7) {
        const at = (offset: number) => {
          const moved = Float32Array.from(values);
          moved[i] = (moved[i] as number) + offset;
          return loss(core.tensor(moved, shape)).dataSync()[0] as number;
        };
        const slope = (at(h) - at(-h)) / (2 * h);
        expect(Math.abs((gradient[i] as number) - slope)).toBeLessThan(5e-3 * (1 + Math.abs(slope)));
      }
    });
  });
});

import type * as core from '@tensorflow/tfjs-core';
import type { Tensor } from '@tensorflow/tfjs-core';
import type { layers } from '@tensorflow/tfjs-layers';

type Layer = layers.Layer;

/** What both normalisations have; a variable is absent where the layer does not scale or shift. */
interface Normalisation {
  call: (inputs: Tensor | Tensor[]) => Tensor;
  axis: number | number[];
  epsilon: number;
  gamma?: Weight | null;
  beta?: Weight | null;
  movingMean?: Weight;
  movingVariance?: Weight;
}
interface Weight {
  read(): Tensor;
}

/**
 * Makes BatchNormalization and LayerNormalization compute by formulas of plain operations: same numbers, but their own way
 * has no gradient without scale or shift, and repeats small tensors, with as many operations in the gradient. A
 * BatchNormalization uses its stored statistics and never changes them.
 * @returns whether there is a BatchNormalization among them
 */
export function plainNormalisations(tf: typeof core, all: readonly Layer[]): boolean {
  let hasStatistics = false;
  for (const layer of all) {
    const kind = layer.getClassName();
    const norm = layer as unknown as Normalisation;
    if (kind === 'BatchNormalization') {
      hasStatistics = true;
      norm.call = (inputs) => tf.tidy(() => batchNormalised(tf, norm, single(inputs)));
    } else if (kind === 'LayerNormalization') {
      norm.call = (inputs) => tf.tidy(() => layerNormalised(tf, norm, single(inputs)));
    }
  }
  return hasStatistics;
}

function single(inputs: Tensor | Tensor[]): Tensor {
  return Array.isArray(inputs) ? (inputs[0] as Tensor) : inputs;
}

/** gamma (x - mean) / sqrt(variance + epsilon) + beta, as x k + b with both of the channels' size. */
function batchNormalised(tf: typeof core, norm: Normalisation, x: Tensor): Tensor {
  const { movingMean, movingVariance, gamma, beta, epsilon } = norm as Normalisation & Record<string, Weight>;
  // Python writes a list of one.
  const axis = [norm.axis].flat()[0] as number;
  const shape = x.shape.map((size, index) => (index === (axis < 0 ? axis + x.rank : axis) ? size : 1));
  let k = tf.rsqrt(tf.add((movingVariance as Weight).read(), epsilon));
  if (gamma) k = tf.mul(k, gamma.read());
  let b = tf.neg(tf.mul((movingMean as Weight).read(), k));
  if (beta) b = tf.add(b, beta.read());
  return tf.add(tf.mul(x, tf.reshape(k, shape)), tf.reshape(b, shape));
}

/** The same over the axes of one item, with the statistics of x itself. */
function layerNormalised(tf: typeof core, { axis, gamma, beta, epsilon }: Normalisation, x: Tensor): Tensor {
  const axes = [axis].flat().map((index) => (index < 0 ? index + x.rank : index));
  const shape = x.shape.map((size, index) => (axes.includes(index) ? size : 1));
  const centred = tf.sub(x, tf.mean(x, axes, true));
  const variance = tf.mean(tf.square(centred), axes, true);
  let result = tf.mul(centred, tf.rsqrt(tf.add(variance, epsilon)));
  if (gamma) result = tf.mul(result, tf.reshape(gamma.read(), shape));
  if (beta) result = tf.add(result, tf.reshape(beta.read(), shape));
  return result;
}

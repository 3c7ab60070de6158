import { GraphBuilder } from '../../../engine/graph.ts';
import type { BuiltinNetwork } from '../builtinNetwork.ts';
import { heDeviation, InitialWeights } from './initialWeights.ts';

const WIDTHS = [32, 64, 128];
/** Images are halved until no side is longer. */
const LAST_SIDE = 5;

/**
 * Stages of Conv 3x3, ReLU and MaxPool 2x2 (32, 64, 128, 128, ... channels) until the image has at most 5 x 5 places, then one
 * linear layer onto the embedding. No normaliser: three or four layers train well from He's initial weights.
 */
export function convnet({ channels, height, width, dimension, seed }: BuiltinNetwork): Uint8Array {
  const graph = new GraphBuilder('convnet');
  const weights = new InitialWeights(graph, seed);
  let value = graph.input('images', 'float32', ['batch', channels, height, width]);
  let shape = { channels, height, width };
  for (let stage = 0; stage === 0 || Math.max(shape.height, shape.width) > LAST_SIDE; stage++) {
    const out = WIDTHS[Math.min(stage, WIDTHS.length - 1)] as number;
    const name = `stage${stage + 1}.conv`;
    const fanIn = shape.channels * 9;
    const weight = weights.normal(`${name}.weight`, [out, shape.channels, 3, 3], heDeviation(fanIn));
    const bias = weights.zeros(`${name}.bias`, [out]);
    value = graph.node('Conv', [value, weight, bias], { kernel_shape: [3, 3], pads: [1, 1, 1, 1] });
    // Pooled before the ReLU, which then has a quarter of the places: the same numbers.
    const kernel = [Math.min(2, shape.height), Math.min(2, shape.width)];
    value = graph.node('Relu', [graph.node('MaxPool', [value], { kernel_shape: kernel, strides: kernel })]);
    const [down, across] = kernel as [number, number];
    shape = { channels: out, height: Math.floor(shape.height / down), width: Math.floor(shape.width / across) };
  }
  const places = shape.channels * shape.height * shape.width;
  const weight = weights.normal('embedding.weight', [dimension, places], Math.sqrt(1 / places));
  const bias = weights.zeros('embedding.bias', [dimension]);
  const flat = graph.node('Flatten', [value]);
  const embedding = graph.node('Gemm', [flat, weight, bias], { transB: 1 });
  graph.output('embedding', embedding, 'float32', ['batch', dimension]);
  return graph.build();
}

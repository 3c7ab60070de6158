import { GraphBuilder, type Value } from '../../../engine/graph.ts';
import type { BuiltinNetwork } from '../builtinNetwork.ts';
import { heDeviation, InitialWeights } from './initialWeights.ts';

const WIDTHS = [64, 128, 256, 512];
const BLOCKS_PER_STAGE = 2;
const BLOCKS = WIDTHS.length * BLOCKS_PER_STAGE;
/** From this side on the stem halves twice, as for ImageNet; smaller images (CIFAR's) keep their size. */
const LARGE_SIDE = 64;

/**
 * ResNet-18 ("Deep Residual Learning", He et al., CVPR 2016) without a normaliser: BatchNormalization trains on its stored
 * statistics only here, and others cost time. Instead each block begins as the identity: its second convolution
 * starts at 0, its first at He's deviation times blocks^(-1/2), which keeps the size of gradients free of the depth ("Fixup
 * Initialization", Zhang et al., ICLR 2019); convolutions have biases, as where BatchNormalization is folded. Global mean, then a
 * linear layer onto the embedding.
 */
export function resnet18({ channels, height, width, dimension, seed }: BuiltinNetwork): Uint8Array {
  const graph = new GraphBuilder('resnet18');
  const weights = new InitialWeights(graph, seed);
  const relu = (value: Value) => graph.node('Relu', [value]);

  function conv(
    name: string,
    value: Value,
    from: number,
    to: number,
    kernel: number,
    stride: number,
    factor: number,
  ): Value {
    const weight = weights.normal(
      `${name}.weight`,
      [to, from, kernel, kernel],
      factor * heDeviation(from * kernel ** 2),
    );
    const bias = weights.zeros(`${name}.bias`, [to]);
    const pad = (kernel - 1) / 2;
    const attributes = { kernel_shape: [kernel, kernel], strides: [stride, stride], pads: [pad, pad, pad, pad] };
    return graph.node('Conv', [value, weight, bias], attributes);
  }

  function block(name: string, value: Value, from: number, to: number, stride: number): Value {
    const first = relu(conv(`${name}.conv1`, value, from, to, 3, stride, BLOCKS ** -0.5));
    const second = conv(`${name}.conv2`, first, to, to, 3, 1, 0);
    // Half of He's variance: no ReLU follows the shortcut alone.
    const shortcut =
      from === to && stride === 1 ? value : conv(`${name}.shortcut`, value, from, to, 1, stride, 0.5 ** 0.5);
    return relu(graph.node('Add', [second, shortcut]));
  }

  const isLarge = Math.max(height, width) >= LARGE_SIDE;
  const images = graph.input('images', 'float32', ['batch', channels, height, width]);
  let value = relu(conv('stem.conv', images, channels, 64, isLarge ? 7 : 3, isLarge ? 2 : 1, 1));
  if (isLarge) value = graph.node('MaxPool', [value], { kernel_shape: [3, 3], strides: [2, 2], pads: [1, 1, 1, 1] });
  let from = 64;
  for (const [stage, to] of WIDTHS.entries()) {
    for (let index = 0; index < BLOCKS_PER_STAGE; index++) {
      const stride = stage > 0 && index === 0 ? 2 : 1;
      value = block(`stage${stage + 1}.block${index + 1}`, value, from, to, stride);
      from = to;
    }
  }
  const mean = graph.node('Flatten', [graph.node('GlobalAveragePool', [value])]);
  const weight = weights.normal('embedding.weight', [dimension, from], Math.sqrt(1 / from));
  const bias = weights.zeros('embedding.bias', [dimension]);
  const embedding = graph.node('Gemm', [mean, weight, bias], { transB: 1 });
  graph.output('embedding', embedding, 'float32', ['batch', dimension]);
  return graph.build();
}

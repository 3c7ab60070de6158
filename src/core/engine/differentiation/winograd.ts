import type { GraphBuilder, Value } from '../graph.ts';
import { type Window, windowOf } from './convolution.ts';
import type { GraphFacts } from './facts.ts';
import { NodeView } from './rule.ts';
import { band, combined, INPUT, KERNEL, OUTPUT, range } from './winogradMatrices.ts';

/**
 * Convolutions of 3 x 3 kernels by F(4x4, 3x3) of Lavin and Gray ("Fast Algorithms for Convolutional Neural Networks", CVPR 2016): for
 * each tile of 4 x 4 places 36 products instead of 144. The transforms of a whole image, or of a block of a larger one, are one
 * product with a constant matrix, zero padding included, so everything runs at the speed of matrix products. Measured, one core: half the time of Conv
 * and its gradients from 128 channels at 8 x 8 places, 5/6 at 16 x 16. Rounding grows to 3e-6 (root mean square, relative).
 *
 * With constant Q, P and G: V = Q x, U = G w, M = V U, y = P' M; the gradients are the same products the other way round.
 */
export class Winograd {
  readonly #graph: GraphBuilder;
  readonly #sizes: ConvolutionSizes;

  /** null where it does not pay. */
  static of(n: NodeView, x: Value, w: Value, window: Window): Winograd | null {
    const { kernel, strides, dilations, begins, ends, group } = window;
    const all = (values: readonly number[], value: number) => values.every((each) => each === value);
    if (kernel.length !== 2 || group !== 1 || !all(kernel, 3) || !all([...begins, ...ends], 1)) return null;
    if (!all(strides, 1) || !all(dilations, 1)) return null;
    const [outputs, inputs] = n.shapeOf(w) ?? [];
    const [height, width] = n.shapeOf(x)?.slice(2) ?? [];
    if (!outputs || !inputs || !height || !width) return null;
    const [down, across] = [blocksAlong(height), blocksAlong(width)];
    if (down === null || across === null) return null;
    const sizes = { outputs, inputs, down, across };
    return share(sizes) <= PAYS_BELOW ? new Winograd(n.graph, sizes) : null;
  }

  private constructor(graph: GraphBuilder, sizes: ConvolutionSizes) {
    this.#graph = graph;
    this.#sizes = sizes;
  }

  /** [n, inputs, height, width] and [outputs, inputs, 3, 3] to [n, outputs, height, width], without a bias. */
  forward(x: Value, w: Value): Value {
    const turned = this.#graph.node('Transpose', [this.#kernels(w, false)], { perm: [0, 2, 1] });
    const products = this.#graph.node('MatMul', [this.#transformed(x, this.#sizes.inputs), turned]);
    return this.#images(products, this.#inverse(), this.#sizes.outputs);
  }

  inputGradient(dy: Value, w: Value): Value {
    const { inputs, outputs, down, across } = this.#sizes;
    if (down.count * across.count === 1) {
      const products = this.#graph.node('MatMul', [this.#untransformed(dy, outputs), this.#kernels(w, false)]);
      return this.#images(products, this.#transform(), inputs);
    }
    // Blocks overlap in what they read, not in what they give: so this is a convolution itself, by kernels turned round.
    const products = this.#graph.node('MatMul', [this.#transformed(dy, outputs), this.#kernels(w, true)]);
    return this.#images(products, this.#inverse(), inputs);
  }

  weightGradient(dy: Value, x: Value): Value {
    const { inputs, outputs } = this.#sizes;
    const turned = this.#graph.node('Transpose', [this.#untransformed(dy, outputs)], { perm: [0, 2, 1] });
    const products = this.#reshape(this.#graph.node('MatMul', [turned, this.#transformed(x, inputs)]), [36, -1]);
    const kernels = this.#graph.node('Gemm', [products, this.#kernelTransform(false)], { transA: 1 });
    return this.#reshape(kernels, [outputs, inputs, 3, 3]);
  }

  /** What a convolution reads, [n, channels, height, width], as [36, places, channels]. */
  #transformed(images: Value, channels: number): Value {
    return this.#places(this.#readBlocks(images), this.#transform(), channels);
  }

  /** What it gives, back to where its products were. */
  #untransformed(images: Value, channels: number): Value {
    const { down, across } = this.#sizes;
    const split = this.#reshape(images, [-1, down.count, down.length, across.count, across.length]);
    return this.#places(this.#graph.node('Transpose', [split], { perm: [1, 3, 0, 2, 4] }), this.#inverse(), channels);
  }

  /** Rows of blocks, each an image's of one channel. */
  #readBlocks(images: Value): Value {
    const { down, across } = this.#sizes;
    if (down.count * across.count === 1) return images;
    const margins = [down, across].map(({ count }) => (count > 1 ? 1 : 0));
    const axes = this.#ints([2, 3]);
    const padded = this.#graph.node('Pad', [images, this.#ints([...margins, ...margins]), null, axes]);
    const parts = range(down.count).flatMap((i) =>
      range(across.count).map((j) => {
        const starts = [i * down.length, j * across.length];
        const ends = [i * down.length + down.read, j * across.length + across.read];
        return this.#graph.node('Slice', [padded, this.#ints(starts), this.#ints(ends), axes]);
      }),
    );
    return this.#graph.node('Concat', parts, { axis: 0 });
  }

  #places(blocks: Value, matrix: Matrix36, channels: number): Value {
    const rows = this.#reshape(blocks, [-1, matrix.columns]);
    return this.#reshape(this.#graph.node('Gemm', [matrix.value, rows], { transB: 1 }), [36, -1, channels]);
  }

  /** [36, places, channels] as [n, channels, height, width]. */
  #images(places: Value, matrix: Matrix36, channels: number): Value {
    const { down, across } = this.#sizes;
    const rows = this.#reshape(places, [36 * tilesOf(this.#sizes), -1]);
    const blocks = this.#graph.node('Gemm', [rows, matrix.value], { transA: 1 });
    const split = this.#reshape(blocks, [down.count, across.count, -1, down.length, across.length]);
    const joined = this.#graph.node('Transpose', [split], { perm: [2, 0, 3, 1, 4] });
    return this.#reshape(joined, [-1, channels, down.count * down.length, across.count * across.length]);
  }

  /** [36, outputs, inputs]. */
  #kernels(w: Value, turned: boolean): Value {
    const { outputs, inputs } = this.#sizes;
    const rows = this.#reshape(w, [-1, 9]);
    const kernels = this.#graph.node('Gemm', [this.#kernelTransform(turned), rows], { transB: 1 });
    return this.#reshape(kernels, [36, outputs, inputs]);
  }

  #transform(): Matrix36 {
    const { down, across } = this.#sizes;
    const name = `transform ${JSON.stringify([down, across])}`;
    const columns = down.read * across.read;
    const along = ({ read, length, ahead }: Blocks) => band(INPUT, length, read, ahead);
    const values = () => combined(along(down), along(across));
    return { value: this.#constant(name, [36 * tilesOf(this.#sizes), columns], values), columns };
  }

  #inverse(): Matrix36 {
    const { down, across } = this.#sizes;
    const columns = down.length * across.length;
    const along = ({ length }: Blocks) => band(OUTPUT, length, length, 0);
    const values = () => combined(along(down), along(across));
    const name = `inverse ${down.length} x ${across.length}`;
    return { value: this.#constant(name, [36 * tilesOf(this.#sizes), columns], values), columns };
  }

  #kernelTransform(turned: boolean): Value {
    const matrix = turned ? KERNEL.map((row) => row.toReversed()) : KERNEL;
    return this.#constant(`kernels ${turned}`, [36, 9], () => combined([matrix], [matrix]));
  }

  #reshape(a: Value, shape: readonly number[]): Value {
    return this.#graph.node('Reshape', [a, this.#ints(shape)]);
  }

  #ints(values: readonly number[]): Value {
    return this.#constant(values.join(), [values.length], () => BigInt64Array.from(values, BigInt));
  }

  /**
   * One for each name and graph: forward and reverse pass transform the same images and kernels, and nodes that are equal to the letter
   * are computed once by ONNX Runtime.
   */
  #constant(name: string, shape: readonly number[], make: () => Float32Array | BigInt64Array): Value {
    const known = constants.get(this.#graph) ?? new Map<string, Value>();
    constants.set(this.#graph, known);
    const value = known.get(name) ?? this.#graph.constant(make(), shape);
    known.set(name, value);
    return value;
  }
}

/**
 * Computes convolutions of trained kernels this way where it pays. For a graph whose reverse pass is there already: no gradient is
 * asked of what is written here.
 */
export function useWinograd(graph: GraphBuilder, facts: GraphFacts): void {
  graph.rewrite((node) => {
    if (node.opType !== 'Conv' || graph.constantOf(node.input[1] ?? '') !== null) return null;
    const n = new NodeView(graph, node, [], [], facts);
    const [x, w, bias] = [n.input(0), n.input(1), n.optional(2)];
    if (n.shapeOf(w) === null) return null;
    const result = Winograd.of(n, x, w, windowOf(n, x, w))?.forward(x, w) ?? null;
    if (result === null || bias === null) return result;
    return graph.node('Add', [result, graph.node('Unsqueeze', [bias, graph.int64s([1, 2])])]);
  });
}

/** How one axis is cut into blocks: `count` times `length` places of the result, each of which reads `read` places of the input. */
interface Blocks {
  readonly count: number;
  readonly length: number;
  readonly read: number;
  /** Places that the first tile begins before the first place read: padding that the matrix stands for. */
  readonly ahead: number;
}

interface ConvolutionSizes {
  readonly inputs: number;
  readonly outputs: number;
  readonly down: Blocks;
  readonly across: Blocks;
}

/** A constant of 36 rows for each tile of a block. */
interface Matrix36 {
  readonly value: Value;
  readonly columns: number;
}

/** Longer blocks make the constant matrices larger than what they save, shorter ones are mostly margin. */
const [SHORTEST, LONGEST] = [4, 8];

/** null: it does not divide into blocks of a useful length. */
function blocksAlong(size: number): Blocks | null {
  if (size <= LONGEST) return { count: 1, length: size, read: size, ahead: 1 };
  for (let count = Math.ceil(size / LONGEST); size / count >= SHORTEST; count++) {
    if (size % count === 0) return { count, length: size / count, read: size / count + 2, ahead: 0 };
  }
  return null;
}

const tilesOf = ({ down, across }: ConvolutionSizes) => Math.ceil(down.length / 4) * Math.ceil(across.length / 4);

/** Its arithmetic as a share of the plain convolution's, without the kernels' transform. */
function share(sizes: ConvolutionSizes): number {
  const { inputs, outputs, down, across } = sizes;
  const [read, given] = [down.read * across.read, down.length * across.length];
  const products = 36 * tilesOf(sizes) * (inputs * read + outputs * given + inputs * outputs);
  return products / (9 * inputs * outputs * given);
}

/** Above, what is saved in arithmetic goes into passes over memory. */
const PAYS_BELOW = 0.6;

const constants = new WeakMap<GraphBuilder, Map<string, Value>>();

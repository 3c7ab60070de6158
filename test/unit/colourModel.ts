import { GraphBuilder } from '../../src/core/engine/graph.ts';
import { createSession } from '../../src/core/engine/session.ts';
import { createRandom } from '../../src/core/numeric/random.ts';

const SIDE = 24;
const PIXELS = SIDE * SIDE;
/** Squares a side of the pattern that a class is known by. */
const PATTERN = 6;

/** How pixels 0 ... 255 become inputs. */
export interface Preparation {
  /** Red and blue exchanged. */
  swapped?: boolean;
  mean: number;
  std: number;
}

export const rightPreparation: Preparation = { mean: 127.5, std: 63.75 };

/** Coloured patterns, one a class, shifted, darkened and noisy; items x 3 x 24 x 24, values 0 ... 255, items by class. */
export function colourImages(seed: number, labels: Int32Array): Float32Array {
  const random = createRandom(seed, 'colour images');
  const classes = labels.reduce((most, label) => Math.max(most, label), 0) + 1;
  const patterns = Float32Array.from({ length: classes * 3 * PATTERN * PATTERN }, () => random.uniform());
  const images = new Float32Array(labels.length * 3 * PIXELS);
  const square = (at: number) => Math.min(PATTERN - 1, Math.max(0, Math.floor((at * PATTERN) / SIDE)));
  labels.forEach((label, item) => {
    const [dx, dy] = [random.integer(5) - 2, random.integer(5) - 2];
    const light = 0.8 + 0.4 * random.uniform();
    for (let i = 0; i < 3 * PIXELS; i++) {
      const channel = Math.floor(i / PIXELS);
      const [y, x] = [Math.floor((i % PIXELS) / SIDE), i % SIDE];
      const at = ((label * 3 + channel) * PATTERN + square(y + dy)) * PATTERN + square(x + dx);
      const value = 255 * light * (patterns[at] as number) + 60 * random.normal();
      images[item * 3 * PIXELS + i] = Math.min(255, Math.max(0, value));
    }
  });
  return images;
}

/** A small convolutional network with random weights: two layers, pooling, a linear map to `columns`. */
export function colourNetwork(seed: number, columns: number): Uint8Array {
  const random = createRandom(seed, 'colour network');
  const graph = new GraphBuilder('colour network');
  const weights = (shape: number[], fanIn: number, gain: number) =>
    graph.constant(
      Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => random.normal() * Math.sqrt(gain / fanIn)),
      shape,
    );
  const convolution = (input: ReturnType<typeof graph.input>, from: number, to: number, size: number) => {
    const bias = graph.constant(
      Float32Array.from({ length: to }, () => 0.3 * random.normal()),
      [to],
    );
    const kernel = weights([to, from, size, size], from * size * size, 2);
    const pad = (size - 1) / 2;
    const result = graph.node('Conv', [input, kernel, bias], { strides: [2, 2], pads: [pad, pad, pad, pad] });
    return graph.node('Relu', [result]);
  };
  const images = graph.input('images', 'float32', ['n', 3, SIDE, SIDE]);
  const features = convolution(convolution(images, 3, 24, 5), 24, 48, 3);
  const pooled = graph.node('AveragePool', [features], { kernel_shape: [2, 2], strides: [2, 2] });
  const flat = 48 * 9;
  const embedding = graph.node('Gemm', [graph.node('Flatten', [pooled]), weights([flat, columns], flat, 1)]);
  graph.output('embedding', embedding, 'float32', ['n', columns]);
  return graph.build();
}

/** What the network makes of the images, prepared in that way; items x columns. */
export async function embedColours(
  network: Uint8Array,
  images: Float32Array,
  { swapped, mean, std }: Preparation,
  columns: number,
): Promise<Float32Array> {
  const count = images.length / (3 * PIXELS);
  const prepared = new Float32Array(images.length);
  for (let i = 0; i < images.length; i++) {
    const channel = Math.floor(i / PIXELS) % 3;
    const from = swapped ? i + (2 - 2 * channel) * PIXELS : i;
    prepared[i] = ((images[from] as number) - mean) / std;
  }
  const session = await createSession(network, { threads: 1 });
  const values = new Float32Array(count * columns);
  try {
    const batch = 250;
    for (let start = 0; start < count; start += batch) {
      const size = Math.min(batch, count - start);
      const data = prepared.subarray(start * 3 * PIXELS, (start + size) * 3 * PIXELS);
      const { embedding } = await session.run({ images: { shape: [size, 3, SIDE, SIDE], data } });
      values.set(embedding?.data as Float32Array, start * columns);
    }
  } finally {
    await session.release();
  }
  return values;
}

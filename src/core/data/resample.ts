import type { Preprocessing } from './decodeImage.ts';

/** Interleaved 8-bit pixels. */
export interface Pixels {
  data: Uint8Array;
  width: number;
  height: number;
  channels: number;
}

type Kernel = NonNullable<Preprocessing['kernel']>;

/** Width on one side, in source pixels, and weight at a distance. */
const filters: Record<Exclude<Kernel, 'nearest'>, { support: number; weight: (x: number) => number }> = {
  linear: { support: 1, weight: (x) => Math.max(0, 1 - Math.abs(x)) },
  // Keys' cubic with a = -0.5.
  cubic: {
    support: 2,
    weight: (signed) => {
      const x = Math.abs(signed);
      if (x < 1) return (1.5 * x - 2.5) * x * x + 1;
      return x < 2 ? ((-0.5 * x + 2.5) * x - 4) * x + 2 : 0;
    },
  },
  lanczos3: { support: 3, weight: (x) => (Math.abs(x) < 3 ? sinc(x) * sinc(x / 3) : 0) },
};

function sinc(x: number): number {
  return x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x);
}

/** Bits behind the point of a weight, as in Pillow: the results are then equal to the last bit. */
const WEIGHT_SCALE = 2 ** 22;

interface Taps {
  /** First source pixel and number of them, for each target pixel. */
  first: Int32Array;
  count: Int32Array;
  /** `most` for each target pixel. */
  weights: Int32Array;
  most: number;
}

/**
 * Resamples as Pillow does, pixel for pixel: pixel centres at half, rows first, rounded to 8 bits between the axes,
 * the filter widened when shrinking. For enlarging, where libvips lays pixels elsewhere; its cost is that of the target.
 */
export function resample(source: Pixels, width: number, height: number, kernel: Kernel): Pixels {
  if (kernel === 'nearest') return nearest(source, width, height);
  const { channels } = source;
  let { data } = source;
  if (width !== source.width) {
    const taps = tapsOf(source.width, width, kernel);
    const into = new Uint8Array(source.height * width * channels);
    for (let y = 0; y < source.height; y++) {
      along(data, y * source.width * channels, channels, into, y * width * channels, channels, channels, taps);
    }
    data = into;
  }
  if (height !== source.height) {
    const taps = tapsOf(source.height, height, kernel);
    const into = new Uint8Array(height * width * channels);
    const step = width * channels;
    for (let x = 0; x < width; x++) along(data, x * channels, step, into, x * channels, step, channels, taps);
    data = into;
  }
  return { data, width, height, channels };
}

function tapsOf(from: number, to: number, kernel: Exclude<Kernel, 'nearest'>): Taps {
  const { support, weight } = filters[kernel];
  const scale = from / to;
  const widened = Math.max(1, scale);
  const reach = support * widened;
  const most = Math.ceil(reach) * 2 + 1;
  const taps: Taps = { first: new Int32Array(to), count: new Int32Array(to), weights: new Int32Array(to * most), most };
  const exact = new Float64Array(most);
  for (let target = 0; target < to; target++) {
    const centre = (target + 0.5) * scale;
    const first = Math.max(0, Math.trunc(centre - reach + 0.5));
    const count = Math.min(from, Math.trunc(centre + reach + 0.5)) - first;
    let sum = 0;
    for (let i = 0; i < count; i++) {
      exact[i] = weight((first + i - centre + 0.5) / widened);
      sum += exact[i] as number;
    }
    taps.first[target] = first;
    taps.count[target] = count;
    for (let i = 0; i < count; i++) {
      const scaled = ((exact[i] as number) / sum) * WEIGHT_SCALE;
      taps.weights[target * most + i] = Math.trunc(scaled < 0 ? scaled - 0.5 : scaled + 0.5);
    }
  }
  return taps;
}

/** One row or column, all channels; `step` is the distance between its pixels. */
function along(
  from: Uint8Array,
  start: number,
  step: number,
  into: Uint8Array,
  at: number,
  intoStep: number,
  channels: number,
  { first, count, weights, most }: Taps,
): void {
  for (let target = 0; target < first.length; target++) {
    const source = start + (first[target] as number) * step;
    const taps = count[target] as number;
    for (let channel = 0; channel < channels; channel++) {
      let sum = WEIGHT_SCALE / 2;
      for (let i = 0; i < taps; i++) {
        sum += (from[source + i * step + channel] as number) * (weights[target * most + i] as number);
      }
      const value = Math.floor(sum / WEIGHT_SCALE);
      into[at + target * intoStep + channel] = value < 0 ? 0 : value > 255 ? 255 : value;
    }
  }
}

function nearest({ data, width: from, height: fromHeight, channels }: Pixels, width: number, height: number): Pixels {
  const into = new Uint8Array(width * height * channels);
  const columns = nearestOf(from, width);
  const rows = nearestOf(fromHeight, height);
  for (let y = 0; y < height; y++) {
    const row = (rows[y] as number) * from;
    for (let x = 0; x < width; x++) {
      const source = (row + (columns[x] as number)) * channels;
      for (let channel = 0; channel < channels; channel++) {
        into[(y * width + x) * channels + channel] = data[source + channel] as number;
      }
    }
  }
  return { data: into, width, height, channels };
}

/** Source pixel of each target pixel. Positions are added up as in Pillow, whose rounding decides on ties. */
function nearestOf(from: number, to: number): Int32Array {
  const step = from / to;
  let position = step / 2;
  return Int32Array.from({ length: to }, () => {
    const source = Math.min(from - 1, Math.floor(position));
    position += step;
    return source;
  });
}

/**
 * The middle of an image, one pixel nearer to its start where it cannot be exact; black around what is smaller, one pixel
 * more before it than behind.
 */
export function cutCentre(source: Pixels, width: number, height: number): Pixels {
  if (source.width === width && source.height === height) return source;
  const { channels } = source;
  const data = new Uint8Array(width * height * channels);
  const columns = Math.min(width, source.width);
  const rows = Math.min(height, source.height);
  const from = { x: Math.floor((source.width - columns) / 2), y: Math.floor((source.height - rows) / 2) };
  const to = { x: Math.ceil((width - columns) / 2), y: Math.ceil((height - rows) / 2) };
  for (let row = 0; row < rows; row++) {
    const start = ((from.y + row) * source.width + from.x) * channels;
    data.set(source.data.subarray(start, start + columns * channels), ((to.y + row) * width + to.x) * channels);
  }
  return { data, width, height, channels };
}

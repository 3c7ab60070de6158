import type { Pixels } from '../../data/resample.ts';
import type { Random } from '../../numeric/random.ts';
import type { Augmentation } from './batchSource.ts';

/** What is done to one image. */
export interface Variation {
  /** Pixels to the right and down. */
  right: number;
  down: number;
  mirrored: boolean;
  /** Factors; 1 changes nothing. */
  brightness: number;
  contrast: number;
  saturation: number;
}

/** Every number is drawn whatever is asked for, so that switching one off leaves the others as they are. */
export function drawVariation(
  random: Random,
  { crop, flip, colour }: Augmentation,
  width: number,
  height: number,
): Variation {
  const shift = (side: number): number => {
    const most = Math.round(crop * side);
    return random.integer(2 * most + 1) - most;
  };
  const factor = (): number => 1 + colour * (2 * random.uniform() - 1);
  const right = shift(width);
  const down = shift(height);
  const mirrored = random.uniform() < 0.5 && flip;
  return { right, down, mirrored, brightness: factor(), contrast: factor(), saturation: factor() };
}

/**
 * The image mirrored left to right, then shifted with its edges repeated, then its colours changed: v' = b v; towards the image's
 * mean luma, c v' + (1 - c) mean; away from each pixel's own luma, s v'' + (1 - s) luma(v''). Rounded to bytes once, at
 * the end (torchvision's ColorJitter on bytes rounds and clips after each step).
 * @returns pixels of the same size; the given ones where nothing changes
 */
export function vary(image: Pixels, variation: Variation): Uint8Array {
  const { right, down, mirrored, brightness, contrast, saturation } = variation;
  const moved = right === 0 && down === 0 && !mirrored ? image.data : move(image, right, down, mirrored);
  if (brightness === 1 && contrast === 1 && saturation === 1) return moved;
  return recolour(moved, image.channels, variation);
}

function move({ data, width, height, channels }: Pixels, right: number, down: number, mirrored: boolean): Uint8Array {
  const into = new Uint8Array(data.length);
  const columns = Int32Array.from({ length: width }, (_, x) => {
    const column = Math.min(width - 1, Math.max(0, x - right));
    return (mirrored ? width - 1 - column : column) * channels;
  });
  let at = 0;
  for (let y = 0; y < height; y++) {
    const row = Math.min(height - 1, Math.max(0, y - down)) * width * channels;
    for (let x = 0; x < width; x++) {
      const from = row + (columns[x] as number);
      for (let channel = 0; channel < channels; channel++) into[at++] = data[from + channel] as number;
    }
  }
  return into;
}

/** All three steps are linear: together v' = scale v + share luma(v) + offset, with the luma of ITU-R 601. */
function recolour(data: Uint8Array, channels: number, { brightness, contrast, saturation }: Variation): Uint8Array {
  const into = new Uint8Array(data.length);
  const gain = brightness * contrast;
  const offset = (1 - contrast) * brightness * meanLuma(data, channels);
  if (channels !== 3) {
    for (let i = 0; i < data.length; i++) into[i] = toByte(gain * (data[i] as number) + offset);
    return into;
  }
  const scale = saturation * gain;
  const share = (1 - saturation) * gain;
  const [red, green, blue] = [share * RED, share * GREEN, share * BLUE];
  for (let i = 0; i < data.length; i += 3) {
    const r = data[i] as number;
    const g = data[i + 1] as number;
    const b = data[i + 2] as number;
    const base = red * r + green * g + blue * b + offset;
    into[i] = toByte(scale * r + base);
    into[i + 1] = toByte(scale * g + base);
    into[i + 2] = toByte(scale * b + base);
  }
  return into;
}

const RED = 0.299;
const GREEN = 0.587;
const BLUE = 0.114;

function meanLuma(data: Uint8Array, channels: number): number {
  const sums = [0, 0, 0];
  for (let k = 0; k < channels; k++) {
    let sum = 0;
    for (let i = k; i < data.length; i += channels) sum += data[i] as number;
    sums[k] = sum;
  }
  const [first, second, third] = sums as [number, number, number];
  const sum = channels === 3 ? RED * first + GREEN * second + BLUE * third : first;
  return (sum * channels) / data.length;
}

function toByte(value: number): number {
  return value <= 0 ? 0 : value >= 255 ? 255 : (value + 0.5) | 0;
}

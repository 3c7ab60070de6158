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

function recolour(data: Uint8Array, channels: number, { brightness, contrast, saturation }: Variation): Uint8Array {
  const into = new Uint8ClampedArray(data.length);
  const colours = channels === 3;
  let sum = 0;
  for (let i = 0; i < data.length; i += channels) sum += colours ? luma(data, i) : (data[i] as number);
  const mean = (brightness * sum * channels) / data.length;
  const gain = brightness * contrast;
  const offset = (1 - contrast) * mean;
  for (let i = 0; i < data.length; i += channels) {
    // The luma of a changed pixel is the changed luma: all steps are linear.
    const grey = colours ? gain * luma(data, i) + offset : 0;
    for (let k = i; k < i + channels; k++) {
      const value = gain * (data[k] as number) + offset;
      into[k] = colours ? saturation * value + (1 - saturation) * grey : value;
    }
  }
  return new Uint8Array(into.buffer);
}

/** ITU-R 601. */
function luma(data: Uint8Array, at: number): number {
  return 0.299 * (data[at] as number) + 0.587 * (data[at + 1] as number) + 0.114 * (data[at + 2] as number);
}

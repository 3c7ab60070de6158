import { BackcompatError } from '../contract/errors.ts';
import type { Preprocessing } from './decodeImage.ts';

/**
 * Writes interleaved 8-bit pixels of the model's size, grey (1, 2 channels) or RGB (3, 4), as the model takes them:
 * [C, H, W] or [H, W, C], C as the preprocessing says.
 */
export type InputFiller = (data: Uint8Array, channels: number, into: Float32Array) => void;

/** The second half of decoding: from pixels to the numbers that a model takes, (pixel x scale - mean) / std. */
export function inputFiller(preprocessing: Preprocessing): InputFiller {
  const { channels, layout, height, width } = preprocessing;
  const tables = valueTables(preprocessing);
  const area = height * width;
  return (data, dataChannels, into) => {
    if (data.length !== area * dataChannels) {
      throw new BackcompatError('internal', `${data.length} bytes decoded instead of ${area} x ${dataChannels}.`);
    }
    if (channels === 1) {
      const table = tables[0] as Float32Array;
      for (let i = 0; i < area; i++) into[i] = table[grey(data, i * dataChannels, dataChannels)] as number;
      return;
    }
    for (let channel = 0; channel < channels; channel++) {
      const table = tables[channel] as Float32Array;
      const from = dataChannels >= 3 ? channel : 0;
      const [start, step] = layout === 'nchw' ? [channel * area, 1] : [channel, channels];
      for (let i = 0; i < area; i++) into[start + i * step] = table[data[i * dataChannels + from] as number] as number;
    }
  };
}

/** Grey pixels of a model of one channel; otherwise RGB, or grey where the image is. One byte a channel, without padding. */
export function narrowPixels(
  data: Uint8Array,
  dataChannels: number,
  channels: Preprocessing['channels'],
): { data: Uint8Array; channels: 1 | 3 } {
  const kept = channels === 3 && dataChannels >= 3 ? 3 : 1;
  if (dataChannels === kept) return { data, channels: kept };
  const area = data.length / dataChannels;
  const narrow = new Uint8Array(area * kept);
  for (let i = 0; i < area; i++) {
    if (kept === 1) narrow[i] = grey(data, i * dataChannels, dataChannels);
    else for (let k = 0; k < 3; k++) narrow[i * 3 + k] = data[i * dataChannels + k] as number;
  }
  return { data: narrow, channels: kept };
}

/** Puts given 8-bit pixels ([n, H, W, channels], no resizing) through the preprocessing. */
export function preprocessPixels(pixels: Uint8Array, count: number, preprocessing: Preprocessing): Float32Array {
  const { height, width, channels } = preprocessing;
  const imageValues = height * width * channels;
  const into = new Float32Array(count * imageValues);
  const fill = inputFiller(preprocessing);
  for (let i = 0; i < count; i++) {
    const part = [i * imageValues, (i + 1) * imageValues] as const;
    fill(pixels.subarray(...part), channels, into.subarray(...part));
  }
  return into;
}

/** (pixel x scale - mean) / std for the 256 values of a channel, each step in float32 as models are trained. */
function valueTables({ mean, std, scale, channels }: Preprocessing): Float32Array[] {
  return Array.from({ length: channels }, (_, channel) => {
    const shift = Math.fround(mean[channel] as number);
    const divisor = Math.fround(std[channel] as number);
    return Float32Array.from({ length: 256 }, (_, pixel) => {
      const scaled = Math.fround(scale === undefined ? pixel / 255 : pixel * scale);
      return Math.fround(scaled - shift) / divisor;
    });
  });
}

/** Luma of ITU-R 601 in 16-bit integers, exactly as Pillow's convert("L"). */
function grey(data: Uint8Array, at: number, channels: number): number {
  if (channels < 3) return data[at] as number;
  return (
    ((data[at] as number) * 19595 + (data[at + 1] as number) * 38470 + (data[at + 2] as number) * 7471 + 0x8000) >>> 16
  );
}

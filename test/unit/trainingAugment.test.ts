import { describe, expect, it } from 'vitest';
import { createRandom } from '../../src/core/numeric/random.ts';
import { drawVariation, type Variation, vary } from '../../src/core/training/data/augment.ts';

const still: Variation = { right: 0, down: 0, mirrored: false, brightness: 1, contrast: 1, saturation: 1 };
// 1 2 3
// 4 5 6
const grey = { data: Uint8Array.of(1, 2, 3, 4, 5, 6), width: 3, height: 2, channels: 1 };

describe('the variation of an image', () => {
  it('shifts and repeats the edges', () => {
    expect([...vary(grey, { ...still, right: 1 })]).toEqual([1, 1, 2, 4, 4, 5]);
    expect([...vary(grey, { ...still, right: -2, down: 1 })]).toEqual([3, 3, 3, 3, 3, 3]);
    expect([...vary(grey, { ...still, down: -1 })]).toEqual([4, 5, 6, 4, 5, 6]);
  });

  it('mirrors before it shifts', () => {
    expect([...vary(grey, { ...still, mirrored: true })]).toEqual([3, 2, 1, 6, 5, 4]);
    expect([...vary(grey, { ...still, mirrored: true, right: 1 })]).toEqual([3, 3, 2, 6, 6, 5]);
  });

  it('keeps the channels of a pixel together', () => {
    const rgb = { data: Uint8Array.of(1, 2, 3, 11, 12, 13), width: 2, height: 1, channels: 3 };
    expect([...vary(rgb, { ...still, mirrored: true })]).toEqual([11, 12, 13, 1, 2, 3]);
  });

  it('scales brightness and clips it', () => {
    const image = { data: Uint8Array.of(100, 200), width: 2, height: 1, channels: 1 };
    expect([...vary(image, { ...still, brightness: 1.5 })]).toEqual([150, 255]);
    expect([...vary(image, { ...still, brightness: 0.5 })]).toEqual([50, 100]);
  });

  it('draws contrast from the mean luma of the brightened image', () => {
    // Mean 150; half the distance from it.
    const image = { data: Uint8Array.of(100, 200), width: 2, height: 1, channels: 1 };
    expect([...vary(image, { ...still, contrast: 0.5 })]).toEqual([125, 175]);
    // Brightened to 120 and 240, mean 180: 0.5 x 120 + 90 and 0.5 x 240 + 90.
    expect([...vary(image, { ...still, contrast: 0.5, brightness: 1.2 })]).toEqual([150, 210]);
    // Red has a luma of 0.299 x 250 = 74.75, black one of 0: mean 37.375, of which half is added.
    const rgb = { data: Uint8Array.of(250, 0, 0, 0, 0, 0), width: 2, height: 1, channels: 3 };
    expect([...vary(rgb, { ...still, contrast: 0.5 })]).toEqual([144, 19, 19, 19, 19, 19]);
  });

  it('draws saturation from the luma of each pixel, and leaves grey images alone', () => {
    // Luma 0.299 x 100 + 0.587 x 200 + 0.114 x 50 = 153.
    const rgb = { data: Uint8Array.of(100, 200, 50), width: 1, height: 1, channels: 3 };
    expect([...vary(rgb, { ...still, saturation: 0 })]).toEqual([153, 153, 153]);
    expect([...vary(rgb, { ...still, saturation: 0.6 })]).toEqual([121, 181, 91]);
    expect([...vary(grey, { ...still, saturation: 0.5 })]).toEqual([...grey.data]);
  });

  it('equals the three steps done one after another in floating point', () => {
    const random = createRandom(1, 'colours');
    const data = Uint8Array.from({ length: 5 * 4 * 3 }, () => 60 + random.integer(100));
    const variation = { ...still, brightness: 1.15, contrast: 0.85, saturation: 1.2 };
    const luma = (rgb: number[]) =>
      0.299 * (rgb[0] as number) + 0.587 * (rgb[1] as number) + 0.114 * (rgb[2] as number);
    const bright = Array.from({ length: 20 }, (_, i) => [...data.subarray(3 * i, 3 * i + 3)].map((v) => v * 1.15));
    const mean = bright.reduce((sum, rgb) => sum + luma(rgb), 0) / 20;
    const contrasted = bright.map((rgb) => rgb.map((v) => 0.85 * v + 0.15 * mean));
    const saturated = contrasted.map((rgb) => rgb.map((v) => 1.2 * v - 0.2 * luma(rgb)));
    const result = vary({ data, width: 5, height: 4, channels: 3 }, variation);
    saturated.flat().forEach((value, i) => {
      // Half a step, and what rounding of doubles may turn.
      expect(Math.abs((result[i] as number) - value)).toBeLessThanOrEqual(0.5 + 1e-9);
    });
  });

  it('draws within its ranges, the same for the same random stream', () => {
    const settings = { crop: 0.125, flip: true, colour: 0.4 };
    const drawn = Array.from({ length: 500 }, (_, i) => drawVariation(createRandom(i, 'a'), settings, 32, 16));
    expect(new Set(drawn.map(({ right }) => right)).size).toBe(9);
    expect(new Set(drawn.map(({ down }) => down)).size).toBe(5);
    expect(drawn.every(({ right, down }) => Math.abs(right) <= 4 && Math.abs(down) <= 2)).toBe(true);
    const mirrored = drawn.filter((one) => one.mirrored).length;
    // Five deviations of a fair coin.
    expect(Math.abs(mirrored - 250)).toBeLessThan(56);
    for (const { brightness, contrast, saturation } of drawn) {
      for (const factor of [brightness, contrast, saturation]) expect(Math.abs(factor - 1)).toBeLessThanOrEqual(0.4);
    }
    const [first] = drawn;
    expect(drawVariation(createRandom(0, 'a'), settings, 32, 16)).toEqual(first);
    // Without the shift and the flip the colours are what they were.
    const colours = drawVariation(createRandom(0, 'a'), { crop: 0.125, flip: false, colour: 0.4 }, 32, 16);
    expect(colours).toEqual({ ...first, mirrored: false });
    expect(drawVariation(createRandom(0, 'a'), { crop: 0, flip: false, colour: 0 }, 32, 16)).toEqual(still);
  });
});

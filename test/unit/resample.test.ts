import { describe, expect, it } from 'vitest';
import { cutCentre, resample } from '../../src/core/data/resample.ts';

const row = (values: number[]) => ({ data: Uint8Array.from(values), width: values.length, height: 1, channels: 1 });
const grid = (width: number, values: number[], channels = 1) => ({
  data: Uint8Array.from(values),
  width,
  height: values.length / width / channels,
  channels,
});

describe('resample', () => {
  it.each([
    // By hand: the target's pixel 1 lies at 0.75 source pixels from the left edge, a quarter past the centre of pixel 0.
    ['linear', 8, [0, 13, 38, 63, 88, 125, 175, 200]],
    // Pillow 12.3.
    ['cubic', 8, [0, 8, 35, 61, 84, 126, 182, 209]],
    ['lanczos3', 8, [0, 7, 35, 60, 79, 129, 183, 211]],
    ['linear', 6, [0, 25, 58, 92, 150, 200]],
    ['cubic', 6, [0, 21, 58, 89, 156, 207]],
    ['lanczos3', 6, [0, 20, 57, 85, 159, 208]],
    ['nearest', 6, [0, 50, 50, 100, 100, 200]],
  ] as const)('%s to %d pixels', (kernel, width, expected) => {
    expect([...resample(row([0, 50, 100, 200]), width, 1, kernel).data]).toEqual(expected.slice());
  });

  it('keeps channels apart, and does columns as rows', () => {
    const both = resample(grid(2, [0, 255, 100, 155], 2), 4, 1, 'linear');
    expect([...both.data]).toEqual([0, 255, 25, 230, 75, 180, 100, 155]);
    const columns = resample({ data: Uint8Array.of(0, 50, 100, 200), width: 1, height: 4, channels: 1 }, 1, 8, 'cubic');
    expect([...columns.data]).toEqual([0, 8, 35, 61, 84, 126, 182, 209]);
  });
});

describe('cutCentre', () => {
  it('takes the middle, and lays black around what is smaller', () => {
    expect([...cutCentre(row([1, 2, 3, 4, 5]), 2, 1).data]).toEqual([2, 3]);
    expect([...cutCentre(row([1, 2]), 5, 1).data]).toEqual([0, 0, 1, 2, 0]);
    expect([...cutCentre(grid(3, [1, 2, 3, 4, 5, 6, 7, 8, 9]), 1, 5).data]).toEqual([0, 2, 5, 8, 0]);
  });
});

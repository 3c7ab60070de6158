import { describe, expect, it } from 'vitest';
import { learningRateAt, type Schedule } from '../../src/core/training/loop/schedule.ts';

const base: Schedule = { kind: 'cosine', learningRate: 0.8, totalSteps: 10, warmupSteps: 2, stepSteps: 4 };
const course = (schedule: Schedule) =>
  Array.from({ length: schedule.totalSteps }, (_, s) => learningRateAt(schedule, s));

describe('learning rate', () => {
  it('falls as half a cosine after a linear rise', () => {
    // Rise over two steps: 1/2, then the full rate; then eight steps of the cosine, the first at the full rate.
    const expected = [0.4, 0.8, ...[1, 2, 3, 4, 5, 6, 7].map((s) => 0.4 * (1 + Math.cos((Math.PI * s) / 8)))];
    const found = course(base);
    expect(found[0]).toBe(0.4);
    expect(found[1]).toBe(0.8);
    expect(found[2]).toBe(0.8);
    // A quarter of the way: 0.4 (1 + cos 45 degrees); half way: 0.4.
    expect(found[4]).toBeCloseTo(0.4 * (1 + Math.SQRT1_2), 12);
    expect(found[6]).toBeCloseTo(0.4, 12);
    expect(found[9]).toBeCloseTo(expected[8] as number, 12);
    expect(found[9]).toBeGreaterThan(0);
  });

  it('is divided by ten again and again', () => {
    const found = course({ ...base, kind: 'step', warmupSteps: 0 });
    [0.8, 0.8, 0.8, 0.8, 0.08, 0.08, 0.08, 0.08, 0.008, 0.008].forEach((rate, step) => {
      expect(found[step]).toBeCloseTo(rate, 12);
    });
  });

  it('stays', () => {
    expect(course({ ...base, kind: 'constant', warmupSteps: 0 })).toEqual(Array(10).fill(0.8));
  });

  it('takes a warm-up of parts of an epoch, and one as long as the training', () => {
    const part = course({ ...base, kind: 'constant', warmupSteps: 2.5 });
    expect(part[0]).toBeCloseTo(0.32, 12);
    expect(part[1]).toBeCloseTo(0.64, 12);
    expect(part[2]).toBe(0.8);
    const whole = course({ ...base, warmupSteps: 10 });
    expect(whole[9]).toBe(0.8);
    expect(whole[4]).toBeCloseTo(0.4, 12);
  });
});

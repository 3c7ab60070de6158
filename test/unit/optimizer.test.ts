import { describe, expect, it } from 'vitest';
import { createRandom } from '../../src/core/numeric/random.ts';
import { sumOfSquares } from '../../src/core/numeric/sumOfSquares.ts';
import { optimizedWeight, updateWeight } from '../../src/core/training/optimizer.ts';
import type { OptimizerSettings } from '../../src/core/training/trainer.ts';

const weightOf = (settings: OptimizerSettings, values: number[], shape = [values.length / 2, 2]) =>
  optimizedWeight(settings, { name: 'w', shape, data: Float32Array.from(values) });

describe('the optimiser', () => {
  it('SGD by hand: two steps with momentum', () => {
    const settings: OptimizerSettings = { name: 'sgd', weightDecay: 0.5, momentum: 0.5, nesterov: false };
    const weight = weightOf(settings, [1, 2, 4, -2]);
    const gradient = Float32Array.of(1, 0, -1, 2);
    // g + 0.5 w = 1.5, 1, 1, 1; w - 0.5 of it.
    updateWeight(settings, weight, gradient, 1, 0.5, 1);
    expect([...weight.data]).toEqual([0.25, 1.5, 3.5, -2.5]);
    // g + 0.5 w = 1.125, 0.75, 0.75, 0.75; velocity = half of the old, and these.
    updateWeight(settings, weight, gradient, 1, 0.5, 2);
    expect([...(weight.moments.velocity as Float32Array)]).toEqual([1.875, 1.25, 1.25, 1.25]);
    expect([...weight.data]).toEqual([-0.6875, 0.875, 2.875, -3.125]);
  });

  it('SGD by hand: Nesterov looks ahead, plain follows the clipped gradient', () => {
    const nesterov: OptimizerSettings = { name: 'sgd', weightDecay: 0, momentum: 0.5, nesterov: true };
    const weight = weightOf(nesterov, [1, 1, 1, 1]);
    updateWeight(nesterov, weight, Float32Array.of(1, 2, 3, 4), 1, 0.5, 1);
    // g + 0.5 v with v = g.
    expect([...weight.data]).toEqual([0.25, -0.5, -1.25, -2]);
    const plain: OptimizerSettings = { name: 'sgd', weightDecay: 0, momentum: 0, nesterov: false };
    const other = weightOf(plain, [1, 1, 1, 1]);
    expect(other.moments).toEqual({});
    updateWeight(plain, other, Float32Array.of(1, 2, 3, 4), 0.5, 0.5, 1);
    expect([...other.data]).toEqual([0.75, 0.5, 0.25, 0]);
  });

  it('AdamW by hand: the first step is the rate, whatever the gradient', () => {
    const settings: OptimizerSettings = { name: 'adamw', weightDecay: 0.5, beta1: 0.9, beta2: 0.99, epsilon: 0 };
    const weight = weightOf(settings, [1, 1, 2, 2]);
    updateWeight(settings, weight, Float32Array.of(7, -0.01, 3, -5), 1, 0.25, 1);
    // w (1 - 0.125) -+ 0.25
    [0.625, 1.125, 1.5, 2].forEach((value, i) => {
      expect(weight.data[i]).toBeCloseTo(value, 6);
    });
  });

  it('AdamW follows the means of the paper over many steps', () => {
    const [decay, beta1, beta2, epsilon, rate] = [0.1, 0.8, 0.95, 1e-3, 0.01];
    const settings: OptimizerSettings = { name: 'adamw', weightDecay: decay, beta1, beta2, epsilon };
    const weight = weightOf(settings, [0.5, -0.5]);
    const random = createRandom(1, 'adamw');
    const gradients = Array.from({ length: 12 }, () => Float32Array.of(random.normal(), random.normal()));
    let expected = [0.5, -0.5];
    gradients.forEach((gradient, i) => {
      updateWeight(settings, weight, gradient, 1, rate, i + 1);
      // The decayed means written out as sums over all gradients so far, not as a recurrence.
      expected = expected.map((old, at) => {
        const seen = gradients.slice(0, i + 1).map((g) => g[at] as number);
        const mean = (beta: number, of: (g: number) => number) =>
          seen.reduce((sum, g, k) => sum + beta ** (i - k) * of(g), 0) / seen.reduce((sum, _, k) => sum + beta ** k, 0);
        const direction = mean(beta1, (g) => g) / (Math.sqrt(mean(beta2, (g) => g * g)) + epsilon);
        // A 1 x 2 weight is a vector: no decay.
        return old - rate * direction;
      });
    });
    expect(weight.weightDecay).toBe(0);
    expected.forEach((value, i) => {
      expect(weight.data[i]).toBeCloseTo(value, 5);
    });
  });

  it('leaves vectors out of weight decay', () => {
    const settings: OptimizerSettings = { name: 'sgd', weightDecay: 0.1, momentum: 0.9, nesterov: false };
    const decayOf = (shape: number[]) =>
      weightOf(settings, Array<number>(shape.reduce((a, b) => a * b, 1)).fill(1), shape).weightDecay;
    expect([[4], [1, 4], [4, 1, 1], [], [2, 2], [1, 2, 2], [2, 1, 1, 2]].map(decayOf)).toEqual([
      0, 0, 0, 0, 0.1, 0.1, 0.1,
    ]);
  });

  it('says when a new value is not finite', () => {
    const settings: OptimizerSettings = { name: 'sgd', weightDecay: 0, momentum: 0, nesterov: false };
    const update = (gradient: number) =>
      updateWeight(settings, weightOf(settings, [1, 1, 1, 1]), Float32Array.of(0, gradient, -gradient, 1), 1, 1e10, 1);
    expect(Number.isFinite(update(1e28))).toBe(true);
    expect(Number.isFinite(update(1e30))).toBe(false);
    expect(Number.isFinite(update(Number.NaN))).toBe(false);
  });

  it('sums squares, of any length', () => {
    for (const length of [0, 1, 3, 4, 7, 8]) {
      const values = Float32Array.from({ length }, (_, i) => i + 1);
      expect(sumOfSquares(values)).toBe((length * (length + 1) * (2 * length + 1)) / 6);
    }
    expect(sumOfSquares(Float32Array.of(1, 2, 3, 4, Number.NEGATIVE_INFINITY))).toBe(Number.POSITIVE_INFINITY);
    expect(sumOfSquares(Float32Array.of(3e38, 3e38))).toBeLessThan(Number.POSITIVE_INFINITY);
  });
});

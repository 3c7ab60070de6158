import type { Interval } from '../contract/report.ts';

/**
 * Wilson score interval of a share (Wilson 1927; metrics.md section 6). Never [0, 0] nor [1, 1].
 * @param hits 0 ... total
 * @param confidence in (0, 1)
 * @returns null when `total` is 0
 */
export function wilsonInterval(hits: number, total: number, confidence: number): Interval | null {
  if (total === 0) return null;
  const z = normalQuantile(0.5 + confidence / 2);
  const share = hits / total;
  const squared = (z * z) / total;
  const centre = (share + squared / 2) / (1 + squared);
  const half = (z / (1 + squared)) * Math.sqrt((share * (1 - share)) / total + squared / (4 * total));
  // At the ends the formula gives 0 or 1 but for rounding.
  return [hits === 0 ? 0 : Math.max(0, centre - half), hits === total ? 1 : Math.min(1, centre + half)];
}

/**
 * Quantile of the standard normal distribution, relative error below 1e-14: the rational
 * approximation of Acklam (1.15e-9) with one step of Halley's method on the error function.
 * @param share in (0, 1)
 */
export function normalQuantile(share: number): number {
  const start = acklam(share);
  const error = normalDistribution(start) - share;
  const step = error * Math.sqrt(2 * Math.PI) * Math.exp((start * start) / 2);
  return start - step / (1 + (start * step) / 2);
}

function acklam(share: number): number {
  const a = [
    -39.69683028665376, 220.9460984245205, -275.9285104469687, 138.357751867269, -30.66479806614716, 2.506628277459239,
  ];
  const b = [-54.47609879822406, 161.5858368580409, -155.6989798598866, 66.80131188771972, -13.28068155288572, 1];
  const c = [
    -0.007784894002430293, -0.3223964580411365, -2.400758277161838, -2.549732539343734, 4.374664141464968,
    2.938163982698783,
  ];
  const d = [0.007784695709041462, 0.3224671290700398, 2.445134137142996, 3.754408661907416, 1];
  const horner = (coefficients: number[], x: number) => coefficients.reduce((sum, value) => sum * x + value, 0);
  if (share < 0.02425) {
    const q = Math.sqrt(-2 * Math.log(share));
    return horner(c, q) / horner(d, q);
  }
  if (share > 1 - 0.02425) return -acklam(1 - share);
  const q = share - 0.5;
  const r = q * q;
  return (horner(a, r) * q) / horner(b, r);
}

/** Phi(x) by its Taylor series around 0 (Marsaglia 2004), exact to rounding for |x| < 7. */
function normalDistribution(x: number): number {
  let term = x;
  let sum = x;
  for (let i = 1; Math.abs(term) > 1e-17 * Math.abs(sum); i++) {
    term *= (x * x) / (2 * i + 1);
    sum += term;
  }
  return 0.5 + (sum * Math.exp((-x * x) / 2)) / Math.sqrt(2 * Math.PI);
}

/** Numbers on axes. */
export interface Scale {
  low: number;
  high: number;
  ticks: number[];
}

/** Rounded to what the step of a scale can show, so that .30000000000000004 is .3. */
function rounded(value: number, step: number): number {
  const digits = Math.max(0, 1 - Math.floor(Math.log10(step)));
  return Number(value.toFixed(Math.min(12, digits)));
}

/** A step of 1, 2 or 5 times a power of ten that cuts `span` into at most `most` parts. */
export function niceStep(span: number, most: number): number {
  const raw = span / most;
  const power = 10 ** Math.floor(Math.log10(raw));
  for (const factor of [1, 2, 5, 10]) if (raw <= factor * power * (1 + 1e-9)) return factor * power;
  return 10 * power;
}

/** A scale that holds all finite `values`, with ends a little beyond them and round ticks inside. */
export function niceScale(
  values: readonly (number | null | undefined)[],
  mostTicks = 4,
  always: readonly number[] = [],
): Scale {
  const known = [...values, ...always].filter(
    (value): value is number => typeof value === 'number' && Number.isFinite(value),
  );
  if (known.length === 0) return { low: 0, high: 1, ticks: [0, 0.5, 1] };
  let low = Math.min(...known);
  let high = Math.max(...known);
  if (high - low < 1e-9) {
    low -= 0.01;
    high += 0.01;
  }
  const space = (high - low) * 0.06;
  low -= space;
  high += space;
  const step = niceStep(high - low, mostTicks);
  const ticks: number[] = [];
  for (let tick = Math.ceil(low / step - 1e-9) * step; tick <= high + 1e-9; tick += step)
    ticks.push(rounded(tick, step) + 0);
  return { low, high, ticks };
}

/** Position on the scale as a percentage, clamped to its ends. */
export function position(value: number, scale: Pick<Scale, 'low' | 'high'>): number {
  const share = ((value - scale.low) / (scale.high - scale.low)) * 100;
  return Math.min(100, Math.max(0, share));
}

/** Decimals that the labels of one axis need. */
export function decimalsOf(ticks: readonly number[]): number {
  return Math.max(
    0,
    ...ticks.map((tick) => (String(Number(Math.abs(tick).toPrecision(6))).split('.')[1] ?? '').length),
  );
}

/** An axis label: no leading zero, a real minus; whole numbers without decimals, others with at least `decimals`. */
export function tickLabel(value: number, decimals = 0): string {
  const size = Number(Math.abs(value).toPrecision(6));
  const text = Number.isInteger(size) || decimals === 0 ? String(size) : size.toFixed(decimals);
  return (value < 0 ? '\u2212' : '') + (text.startsWith('0.') ? text.slice(1) : text);
}

export function signedTickLabel(value: number): string {
  return value > 0 ? `+${tickLabel(value)}` : tickLabel(value);
}

/**
 * How figures read, everywhere: terminal, HTML, panel. Three decimals, no leading zero, a real minus sign (U+2212).
 * A figure that does not exist is a dash, never 0.
 */
import type { CellName, Interval, MetricName } from './report.ts';

export const MINUS = '\u2212';
/** What stands where a figure does not exist. */
export const NO_FIGURE = '\u2013';

const groups = new Intl.NumberFormat('en-US', { maximumFractionDigits: 0 });

function isFigure(value: number | null | undefined): value is number {
  return typeof value === 'number' && Number.isFinite(value);
}

function withoutLeadingZero(digits: string): string {
  return digits.startsWith('0.') ? digits.slice(1) : digits;
}

/** The digits of |value|: `.740`, `1.125`, `.0005` (a small figure must not read as zero), `<.000001`. */
function magnitude(size: number, decimals: number): string {
  if (size >= 10_000) return count(size);
  const smallest = 10 ** -decimals;
  if (size === 0 || size >= smallest) return withoutLeadingZero(size.toFixed(decimals));
  if (size < 1e-6) return '<.000001';
  // One significant digit; .00095 rounds up to .0010, which is .001.
  return withoutLeadingZero(size.toFixed(Math.ceil(-Math.log10(size) - 1e-9))).replace(/0+$/, '');
}

/** A figure: `.740`, `\u2212.012`, `1.125`, `.0005`; a dash for none. */
export function number(value: number | null | undefined, decimals = 3): string {
  if (!isFigure(value)) return NO_FIGURE;
  const digits = magnitude(Math.abs(value), decimals);
  return value < 0 ? MINUS + digits : digits;
}

/** A difference, always with its sign: `+.184`, `\u2212.003`; `.000` has none. */
export function signed(value: number | null | undefined, decimals = 3): string {
  if (!isFigure(value)) return NO_FIGURE;
  return value > 0 ? `+${number(value, decimals)}` : number(value, decimals);
}

/** `[.722, .757]`; empty for none. */
export function interval(ends: Interval | null | undefined, decimals = 3): string {
  return ends ? `[${number(ends[0], decimals)}, ${number(ends[1], decimals)}]` : '';
}

/** The interval of a difference: `[\u2212.003, +.017]`; empty for none. */
export function signedInterval(ends: Interval | null | undefined, decimals = 3): string {
  return ends ? `[${signed(ends[0], decimals)}, ${signed(ends[1], decimals)}]` : '';
}

/** A share in words: `96.4 %`, `50 %`. Only 0 and 1 themselves read `0 %` and `100 %`. */
export function percent(share: number | null | undefined, decimals = 1): string {
  if (!isFigure(share)) return NO_FIGURE;
  const smallest = 10 ** -decimals;
  const value = share * 100;
  if (share > 0 && value < smallest / 2) return `less than ${smallest} %`;
  if (share < 1 && value > 100 - smallest / 2) return `more than ${100 - smallest} %`;
  return `${Number(value.toFixed(decimals)).toString().replace('-', MINUS)} %`;
}

/** `1,000`, `299,000`, `2.7 million`, `4.9 billion`. */
export function count(value: number | null | undefined): string {
  if (!isFigure(value)) return NO_FIGURE;
  if (Math.abs(value) >= 999_950_000) return `${Number((value / 1e9).toFixed(1))} billion`;
  if (Math.abs(value) >= 1_000_000) return `${Number((value / 1e6).toFixed(1))} million`;
  return groups.format(value).replace('-', MINUS);
}

/** `1 query`, `1,000 queries`. */
export function counted(value: number, one: string, many = `${one}s`): string {
  return `${count(value)} ${value === 1 ? one : many}`;
}

const smallNumbers = ['no', 'one', 'two', 'three', 'four', 'five', 'six', 'seven', 'eight', 'nine', 'ten'];

/** Counts in a sentence: words to ten, digits beyond. */
export function inWords(value: number): string {
  return smallNumbers[value] ?? count(value);
}

/** The first letter in upper case, for sentences that begin with a figure in words. */
export function sentence(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** How a metric is written for people: `mAP`, `CMC@1`, `mAP@R`, `R-precision`. */
export function metricLabel(name: MetricName | string): string {
  if (name === 'map') return 'mAP';
  if (name === 'map@r') return 'mAP@R';
  if (name === 'rPrecision') return 'R-precision';
  return name.startsWith('cmc@') ? `CMC@${name.slice(4)}` : name;
}

/** A tolerance as people type it: `1e-6`, `.01`. */
export function toleranceText(epsilon: number): string {
  if (epsilon === 0) return '0';
  return epsilon < 0.0001 ? epsilon.toExponential() : withoutLeadingZero(String(epsilon));
}

/** `3.2 s`, `2 min 5 s`, `1 h 4 min`. */
export function durationText(seconds: number): string {
  if (seconds < 59.95) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
}

/** `2026-03-14 09:26 UTC` of an ISO time; whatever else it is stays as it is. */
export function momentText(time: string): string {
  return /^\d{4}-\d\d-\d\dT\d\d:\d\d/.test(time) ? `${time.slice(0, 16).replace('T', ' ')} UTC` : time;
}

/** How a cell is written for people: query model / gallery model. */
export const cellLabels: Readonly<Record<CellName, string>> = {
  oldOld: 'old/old',
  newOld: 'new/old',
  newNew: 'new/new',
  oldNew: 'old/new',
};

/**
 * Labels, ids and file names are data: characters that steer a terminal or turn the direction of
 * text are shown as escapes (`\x1b`, `\u202e`), line breaks as `\n`.
 */
export function visibleText(text: string): string {
  return text.replace(/[\p{Cc}\p{Zl}\p{Zp}\u200e\u200f\u061c\u202a-\u202e\u2066-\u2069\ufeff]/gu, (character) => {
    if (character === '\n') return '\\n';
    if (character === '\t') return '\\t';
    if (character === '\r') return '\\r';
    const code = character.codePointAt(0) ?? 0;
    return code < 256 ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u${code.toString(16).padStart(4, '0')}`;
  });
}

/** "35.4 kB". */
export function bytesText(bytes: number): string {
  if (bytes < 1000) return `${bytes} bytes`;
  const units = ['kB', 'MB', 'GB', 'TB'];
  let value = bytes / 1000;
  let unit = 0;
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${value.toPrecision(3)} ${units[unit]}`;
}

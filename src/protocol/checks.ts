/** What messages are checked by: each says whether a value from the other side is what it should be. */

export type Fields = Record<string, unknown>;

export function isObject(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function isFigure(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value);
}

export function isFigureOrNull(value: unknown): value is number | null {
  return value === null || isFigure(value);
}

export function isTextOrNull(value: unknown): value is string | null {
  return value === null || typeof value === 'string';
}

export function isListOf(value: unknown, is: (entry: unknown) => boolean): value is unknown[] {
  return Array.isArray(value) && value.every(is);
}

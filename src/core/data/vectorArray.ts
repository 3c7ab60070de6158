import { closest } from '../config/closest.ts';
import { BackcompatError } from '../contract/errors.ts';

/** One of the arrays (or columns) of a file, as far as its header tells. */
export interface ArrayInfo {
  /** '' for the one array of a file that names none. */
  name: string;
  /** In words: "float32", "text". */
  type: string;
  shape: readonly number[];
  /** Whether it is a table of vectors. */
  isVectors: boolean;
}

/** Whole rows, float32, row-major; every block of a table has the same dimension. */
export interface RowBlock {
  values: Float32Array;
  dimension: number;
}

/** Vectors that can only be read from the first to the last. */
export interface VectorStream {
  /** Null: known at the end. */
  count: number | null;
  /** Null: known with the first row. */
  dimension: number | null;
  blocks(): AsyncGenerator<RowBlock>;
  close(): Promise<void>;
}

/**
 * The array to read: the one that is named, or the only table of vectors.
 * @throws BackcompatError `bad-data` when there is none or the choice is open, with what there is
 */
export function pickArray(file: string, arrays: readonly ArrayInfo[], wanted: string | null): ArrayInfo {
  const all = arrays.map(arrayWords).join(', ') || 'nothing';
  if (wanted !== null) {
    const found = arrays.find(({ name }) => name === wanted);
    if (found?.isVectors) return found;
    const suggestion = closest(
      wanted,
      arrays.map(({ name }) => name),
    );
    throw new BackcompatError(
      'bad-data',
      found
        ? `${file}: the array ${arrayWords(found)} is no table of vectors (items x dimension, floating point).`
        : `${file} has no array ${JSON.stringify(wanted)}; it holds ${all}.`,
      {
        place: { file, field: wanted },
        remedy: suggestion && !found ? `Did you mean ${JSON.stringify(suggestion)}?` : pickRemedy(file, arrays),
      },
    );
  }
  const candidates = arrays.filter(({ isVectors }) => isVectors);
  const [only] = candidates;
  if (only && candidates.length === 1) return only;
  throw new BackcompatError(
    'bad-data',
    only
      ? `${file} holds several tables of vectors: ${candidates.map(arrayWords).join(', ')}.`
      : `${file} holds no table of vectors (items x dimension, floating point); it holds ${all}.`,
    { place: { file }, remedy: pickRemedy(file, arrays) },
  );
}

function pickRemedy(file: string, arrays: readonly ArrayInfo[]): string {
  const [first] = arrays.filter(({ isVectors }) => isVectors);
  if (first === undefined) return 'Export the vectors as one array of shape (items, dimension).';
  return `Name one: ${JSON.stringify(`${file}#${first.name}`)} on the command line, "array": ${JSON.stringify(first.name)} in a config.`;
}

/** "vectors" float32 100 x 64. */
export function arrayWords({ name, type, shape }: ArrayInfo): string {
  return `${JSON.stringify(name)} (${type}${shape.length > 0 ? ` ${shape.join(' x ')}` : ''})`;
}

import { BackcompatError } from '../contract/errors.ts';
import type { RowOptions } from './rowOptions.ts';

/** See `readRows`. */
// biome-ignore lint/correctness/useYield: the reader comes next
export async function* parquetRows(file: string, _options: RowOptions): AsyncGenerator<string[][]> {
  throw new BackcompatError('bad-file', `${file}: Parquet is not readable yet.`, {
    place: { file },
    remedy: 'Export it as CSV or JSON Lines.',
  });
}

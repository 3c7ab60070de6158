import { BackcompatError } from '../contract/errors.ts';
import { delimitedRows } from './delimitedRows.ts';
import { openFile } from './files.ts';
import { jsonLineRows } from './jsonLineRows.ts';
import { parquetRows } from './parquetRows.ts';
import type { RowColumn, RowOptions } from './rowOptions.ts';

export type { RowColumn, RowOptions };

/** What tables with a header can be. */
export type RowFormat = 'csv' | 'tsv' | 'jsonl' | 'parquet';

export const rowFormatWords: Record<RowFormat, string> = {
  csv: 'CSV',
  tsv: 'TSV',
  jsonl: 'JSON Lines',
  parquet: 'Parquet',
};

const extensions: Record<string, RowFormat> = {
  csv: 'csv',
  tsv: 'tsv',
  tab: 'tsv',
  jsonl: 'jsonl',
  ndjson: 'jsonl',
  parquet: 'parquet',
  pq: 'parquet',
};

/**
 * The rows of a table with a header, in blocks of at most `ROWS_PER_BLOCK`: CSV and TSV (RFC 4180, UTF-8, with or
 * without BOM), JSON Lines (one object a line) and Parquet. Streamed: memory holds a block (of Parquet, a page of each column).
 * A row is the values of the chosen columns in the chosen order, as text: numbers as they are written, lists and
 * objects as JSON, null and what is missing as ''.
 * @throws BackcompatError `not-found`; `bad-file` for what is not such a table, with its line or row (from 1)
 */
export async function* readRows(file: string, options: RowOptions): AsyncGenerator<string[][]> {
  const format = await rowFormatOf(file, options.what);
  if (format === 'parquet') yield* parquetRows(file, options);
  else if (format === 'jsonl') yield* jsonLineRows(file, options);
  else yield* delimitedRows(file, format === 'tsv' ? '\t' : ',', options);
}

/** The format that a name says, or null. */
export function rowFormatOfName(file: string): RowFormat | null {
  return extensions[/\.([a-z]+)$/i.exec(file)?.[1]?.toLowerCase() ?? ''] ?? null;
}

/**
 * The format by the name, held against the first bytes; by these alone when the name says nothing.
 * @throws BackcompatError `not-found`; `bad-file` when name and content differ
 */
export async function rowFormatOf(file: string, what: string): Promise<RowFormat> {
  const { handle, size } = await openFile(file, what);
  const head = Buffer.alloc(Math.min(size, 4096));
  try {
    await handle.read(head, 0, head.length, 0);
  } finally {
    await handle.close();
  }
  const named = rowFormatOfName(file);
  const magic = magicWords(head);
  const isParquet = magic === 'a Parquet file';
  if (isParquet && (named === null || named === 'parquet')) return 'parquet';
  if (magic !== null) {
    throw new BackcompatError('bad-file', `${file} is ${magic} by its content, not ${aTable(named)}.`, {
      place: { file },
      remedy: isParquet ? 'Give it the ending .parquet.' : 'Give a CSV, TSV, JSON Lines or Parquet file.',
    });
  }
  if (named === 'parquet') {
    throw new BackcompatError('bad-file', `${file} is not a Parquet file: it does not begin with PAR1.`, {
      place: { file },
      remedy: 'Export it again, or give it the ending of what it is.',
    });
  }
  if (named !== null) return named;
  const text = head.toString('utf8').replace(/^\uFEFF/, '');
  if (/^\s*\{/.test(text)) return 'jsonl';
  const [line = ''] = text.split('\n', 1);
  return line.includes('\t') && !line.includes(',') ? 'tsv' : 'csv';
}

function aTable(format: RowFormat | null): string {
  return format === null ? 'a table with a header' : `a ${rowFormatWords[format]} file`;
}

/** Formats that cannot be a text, by the bytes that they begin with. */
function magicWords(head: Buffer): string | null {
  const text = head.subarray(0, 8).toString('latin1');
  if (text.startsWith('PAR1')) return 'a Parquet file';
  if (text.startsWith('\x93NUMPY')) return 'a NumPy array';
  if (text.startsWith('PK\x03\x04')) return 'a zip archive';
  if (text.startsWith('\x1f\x8b')) return 'packed with gzip';
  if (text.startsWith('\x28\xb5\x2f\xfd')) return 'packed with zstd';
  return null;
}

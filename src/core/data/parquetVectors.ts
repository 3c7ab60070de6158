import { BackcompatError } from '../contract/errors.ts';
import { damagedParquet, guardParquet, openParquet, type ParquetColumn, type ParquetFile } from './parquetFile.ts';
import { type ParquetPage, pagesOf } from './parquetPages.ts';
import { dictionaryIndices } from './parquetRows.ts';
import { decodeFloats, type FloatType, floatBytes } from './rawTable.ts';
import type { RowBlock, VectorStream } from './vectorArray.ts';

/** Of a table with one column a component, a page of each and its dictionary are held: so much of all of them. */
const MAX_HELD_BYTES = 2 ** 30;

/** No model makes longer vectors; a row is held in memory whole. */
const MAX_DIMENSION = 2 ** 20;

/** The floating-point type of a column's values, or null. */
export function floatTypeOf({ element }: ParquetColumn): FloatType | null {
  if (element.type === 'FLOAT') return 'float32';
  if (element.type === 'DOUBLE') return 'float64';
  const isHalf = element.type === 'FIXED_LEN_BYTE_ARRAY' && element.type_length === 2;
  return isHalf && element.logical_type?.type === 'FLOAT16' ? 'float16' : null;
}

/**
 * The vectors of a column of lists (of fixed or equal length), a page at a time: values go from the page to
 * float32 without an object a row.
 */
export async function openListColumn(file: string, name: string): Promise<VectorStream> {
  const parquet = await openParquet(file, 'The vector file');
  return {
    count: parquet.rows,
    dimension: null,
    blocks: () => listBlocks(parquet, columnOf(parquet, name)),
    close: () => parquet.close(),
  };
}

function columnOf(parquet: ParquetFile, name: string): ParquetColumn {
  const column = parquet.columns.find((candidate) => candidate.name === name);
  if (column) return column;
  throw damagedParquet(parquet.file, `the column ${JSON.stringify(name)} is gone`);
}

async function* listBlocks(parquet: ParquetFile, column: ParquetColumn): AsyncGenerator<RowBlock> {
  const { file } = parquet;
  let dimension = 0;
  let rows = 0;
  /** Values of a row that goes on in the next page. */
  let rest = new Float32Array(0);
  const closeRow = (length: number): void => {
    rows++;
    dimension ||= length;
    if (length !== dimension) throw raggedRow(file, column, rows, length, dimension);
  };
  for await (const { values, page } of floatPages(parquet, column)) {
    const { repetition, definition } = page;
    let length = rest.length;
    let whole = 0;
    for (let i = 0; i < page.values; i++) {
      if (repetition?.[i] === 0 && (rows > 0 || length > 0)) {
        if (length > 0) closeRow(length);
        whole = rest.length + i;
        length = 0;
      }
      if (definition !== null && definition[i] !== column.maxDefinition) {
        throw missingVector(file, column, rows + 1, length > 0);
      }
      length++;
    }
    const all = new Float32Array(rest.length + values.length);
    all.set(rest);
    all.set(values, rest.length);
    rest = all.subarray(whole);
    if (rest.length > MAX_DIMENSION) {
      throw damagedParquet(
        file,
        `row ${rows + 1} of ${JSON.stringify(column.name)} has more than ${MAX_DIMENSION} values`,
      );
    }
    if (whole > 0) yield { values: all.subarray(0, whole), dimension };
  }
  if (rest.length > 0) {
    closeRow(rest.length);
    yield { values: rest, dimension };
  }
  if (rows !== parquet.rows) {
    throw damagedParquet(
      file,
      `the column ${JSON.stringify(column.name)} has ${rows} lists, the table ${parquet.rows} rows`,
    );
  }
}

function raggedRow(
  file: string,
  column: ParquetColumn,
  row: number,
  length: number,
  dimension: number,
): BackcompatError {
  return new BackcompatError(
    'bad-data',
    `${file}: row ${row} of ${JSON.stringify(column.name)} has ${length} values, the first has ${dimension} (rows count from 1).`,
    { place: { file, row, field: column.name }, remedy: 'Export vectors of one length, one a row.' },
  );
}

function missingVector(file: string, column: ParquetColumn, row: number, isInside: boolean): BackcompatError {
  return new BackcompatError(
    'bad-data',
    `${file}: row ${row} of ${JSON.stringify(column.name)} ${isInside ? 'has a null among its values' : 'has no vector'} (rows count from 1).`,
    { place: { file, row, field: column.name }, remedy: 'Export that vector again, or remove the row.' },
  );
}

/** A data page with its values as float32. */
interface FloatPage {
  values: Float32Array;
  page: ParquetPage;
  dictionaryBytes: number;
}

async function* floatPages(parquet: ParquetFile, column: ParquetColumn): AsyncGenerator<FloatPage> {
  const type = floatTypeOf(column);
  if (type === null) throw damagedParquet(parquet.file, `the column ${JSON.stringify(column.name)} is not of numbers`);
  const where = `a page of the column ${JSON.stringify(column.name)}`;
  let dictionary = new Float32Array(0);
  for await (const page of pagesOf(parquet, column)) {
    const values = guardParquet(parquet.file, where, () => floatsOf(page, type, dictionary));
    if (page.kind === 'dictionary') dictionary = values;
    else yield { values, page, dictionaryBytes: dictionary.byteLength };
  }
}

function floatsOf(page: ParquetPage, type: FloatType, dictionary: Float32Array): Float32Array<ArrayBuffer> {
  const { bytes, present, encoding } = page;
  const values = new Float32Array(present);
  if (present === 0) return values;
  if (encoding === 'RLE_DICTIONARY' || encoding === 'PLAIN_DICTIONARY') {
    const indices = dictionaryIndices(page, dictionary.length);
    for (let i = 0; i < present; i++) values[i] = dictionary[indices[i] as number] as number;
    return values;
  }
  const width = floatBytes[type];
  if (bytes.length < present * width) throw new Error(`${present} values are claimed in ${bytes.length} bytes`);
  if (encoding === 'PLAIN') decodeFloats(bytes, type, values);
  else if (encoding === 'BYTE_STREAM_SPLIT') decodeFloats(joinedStreams(bytes, present, width), type, values);
  else throw new Error(`its encoding ${encoding} is not read`);
  return values;
}

/** First all first bytes, then all second ones, ... */
function joinedStreams(bytes: Uint8Array, count: number, width: number): Uint8Array {
  const joined = new Uint8Array(count * width);
  for (let stream = 0; stream < width; stream++) {
    for (let i = 0; i < count; i++) joined[i * width + stream] = bytes[stream * count + i] as number;
  }
  return joined;
}

/** The vectors of a table with one column of numbers a component. */
export async function openComponentColumns(file: string, names: readonly string[]): Promise<VectorStream> {
  const parquet = await openParquet(file, 'The vector file');
  return {
    count: parquet.rows,
    dimension: names.length,
    blocks: () => componentBlocks(parquet, names),
    close: () => parquet.close(),
  };
}

interface Cursor {
  column: ParquetColumn;
  pages: AsyncGenerator<FloatPage>;
  values: Float32Array;
  /** Row of the first value of the page. */
  first: number;
  /** Bytes of the page and its dictionary. */
  held: number;
}

async function* componentBlocks(parquet: ParquetFile, names: readonly string[]): AsyncGenerator<RowBlock> {
  const dimension = names.length;
  const cursors: Cursor[] = names.map((name) => {
    const column = columnOf(parquet, name);
    return { column, pages: floatPages(parquet, column), values: new Float32Array(0), first: 0, held: 0 };
  });
  const rowsPerBlock = Math.max(1, Math.floor(2 ** 20 / dimension));
  try {
    for (let start = 0; start < parquet.rows; start += rowsPerBlock) {
      const rows = Math.min(rowsPerBlock, parquet.rows - start);
      const values = new Float32Array(rows * dimension);
      for (const [component, cursor] of cursors.entries()) {
        for (let row = 0; row < rows; ) {
          while (start + row >= cursor.first + cursor.values.length) await nextPage(parquet, cursors, cursor);
          const inPage = start + row - cursor.first;
          const count = Math.min(rows - row, cursor.values.length - inPage);
          for (let i = 0; i < count; i++) {
            values[(row + i) * dimension + component] = cursor.values[inPage + i] as number;
          }
          row += count;
        }
      }
      yield { values, dimension };
    }
  } finally {
    for (const { pages } of cursors) await pages.return(undefined);
  }
}

async function nextPage(parquet: ParquetFile, cursors: readonly Cursor[], cursor: Cursor): Promise<void> {
  const { file } = parquet;
  const { column } = cursor;
  cursor.first += cursor.values.length;
  const next = await cursor.pages.next();
  if (next.done) throw damagedParquet(file, `the column ${JSON.stringify(column.name)} ends before its rows`);
  const { values, page, dictionaryBytes } = next.value;
  if (page.present < page.values) {
    const position = page.definition?.findIndex((level) => level !== column.maxDefinition) ?? 0;
    throw missingVector(file, column, cursor.first + position + 1, true);
  }
  cursor.values = values;
  cursor.held = values.byteLength + dictionaryBytes;
  if (cursors.reduce((sum, { held }) => sum + held, 0) <= MAX_HELD_BYTES) return;
  throw new BackcompatError(
    'bad-file',
    `${file} has pages too large to hold one of each of its ${cursors.length} columns of numbers in memory.`,
    { place: { file }, remedy: 'Export the vectors as one column of lists, or with smaller pages.' },
  );
}

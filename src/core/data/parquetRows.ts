import type { DecodedArray, ParquetType } from 'hyparquet';
import { convert, DEFAULT_PARSERS } from 'hyparquet/src/convert.js';
import { deltaBinaryUnpack, deltaByteArray, deltaLengthByteArray } from 'hyparquet/src/delta.js';
import { byteStreamSplit } from 'hyparquet/src/encoding.js';
import { readPlain } from 'hyparquet/src/plain.js';
import { BackcompatError } from '../contract/errors.ts';
import { decodeHybrid } from './parquetEncoding.ts';
import { damagedParquet, guardParquet, openParquet, type ParquetColumn, type ParquetFile } from './parquetFile.ts';
import { type ParquetPage, pagesOf } from './parquetPages.ts';
import { ROWS_PER_BLOCK, type RowColumn, type RowOptions } from './rowOptions.ts';

/** See `readRows`. Columns of lists and structures are named, but cannot be read as text. */
export async function* parquetRows(file: string, { choose, what }: RowOptions): AsyncGenerator<string[][]> {
  const parquet = await openParquet(file, what);
  const columns = rowColumnsOf(parquet);
  let readers: TextReader[] = [];
  try {
    readers = choose(columns).map((name) => textReader(parquet, name));
    for (let row = 0; row < parquet.rows; row += ROWS_PER_BLOCK) {
      const count = Math.min(ROWS_PER_BLOCK, parquet.rows - row);
      const block = Array.from({ length: count }, () => new Array<string>(readers.length));
      for (const [position, reader] of readers.entries()) await reader.fill(block, position);
      yield block;
    }
  } finally {
    for (const reader of readers) await reader.close();
    await parquet.close();
  }
}

/** The columns of the table itself. */
export function rowColumnsOf(parquet: ParquetFile): RowColumn[] {
  const columns = new Map<string, boolean>();
  for (const { name, kind } of parquet.columns) columns.set(name, kind !== 'flat');
  return [...columns].map(([name, nested]) => ({ name, nested }));
}

interface TextReader {
  /** The next values, one for each row of the block, at their position. */
  fill(block: string[][], position: number): Promise<void>;
  close(): Promise<void>;
}

function textReader(parquet: ParquetFile, name: string): TextReader {
  const column = parquet.columns.find((candidate) => candidate.name === name);
  if (column?.kind !== 'flat') {
    throw new BackcompatError(
      'bad-file',
      `${parquet.file}: the column ${JSON.stringify(name)} holds no single values.`,
      {
        place: { file: parquet.file, field: name },
        remedy: 'Name a column of texts or numbers.',
      },
    );
  }
  const pages = textPages(parquet, column);
  let page: string[] = [];
  let at = 0;
  return {
    async fill(block, position) {
      for (const row of block) {
        while (at === page.length) {
          const next = await pages.next();
          if (next.done) throw damagedParquet(parquet.file, `the column ${JSON.stringify(name)} ends before its rows`);
          page = next.value;
          at = 0;
        }
        row[position] = page[at++] as string;
      }
    },
    async close() {
      await pages.return(undefined);
    },
  };
}

async function* textPages(parquet: ParquetFile, column: ParquetColumn): AsyncGenerator<string[]> {
  const where = `a page of the column ${JSON.stringify(column.name)}`;
  let dictionary: string[] = [];
  for await (const page of pagesOf(parquet, column)) {
    const texts = guardParquet(parquet.file, where, () => textsOf(page, column, dictionary));
    if (page.kind === 'dictionary') dictionary = texts;
    else yield withNulls(page, column, texts);
  }
}

function withNulls(page: ParquetPage, column: ParquetColumn, texts: string[]): string[] {
  const { definition, present, values } = page;
  if (definition === null || present === values) return texts;
  let at = 0;
  return Array.from(definition, (level) => (level === column.maxDefinition ? (texts[at++] as string) : ''));
}

function textsOf(page: ParquetPage, column: ParquetColumn, dictionary: readonly string[]): string[] {
  const { present, encoding } = page;
  if (present === 0) return [];
  if (encoding === 'RLE_DICTIONARY' || encoding === 'PLAIN_DICTIONARY') {
    return Array.from(dictionaryIndices(page, dictionary.length), (index) => dictionary[index] as string);
  }
  const { element, schemaPath } = column;
  const { type } = element;
  if (type === undefined) throw new Error('it has no type');
  const decoded = convert(rawValues(page, type, element.type_length), {
    pathInSchema: [column.name],
    type,
    element,
    schemaPath,
    codec: 'UNCOMPRESSED',
    parsers: DEFAULT_PARSERS,
  });
  if (decoded.length < present) throw new Error(`${present} values are claimed, ${decoded.length} are there`);
  const isFloat32 = type === 'FLOAT';
  return Array.from({ length: present }, (_, index) => valueText(decoded[index], isFloat32));
}

function rawValues({ bytes, present, encoding }: ParquetPage, type: ParquetType, typeLength?: number): DecodedArray {
  const reader = { view: new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), offset: 0 };
  if (encoding === 'PLAIN' || encoding === 'BYTE_STREAM_SPLIT') {
    // Every plain value takes a byte at least, of a truth value a bit.
    const most = type === 'BOOLEAN' ? 8 * bytes.length : bytes.length;
    if (present > most) throw new Error(`${present} values are claimed in ${bytes.length} bytes`);
    return encoding === 'PLAIN'
      ? readPlain(reader, type, present, typeLength)
      : byteStreamSplit(reader, present, type, typeLength);
  }
  if (encoding === 'RLE' && type === 'BOOLEAN') {
    const bits = new Uint8Array(present);
    // Four bytes of length stand before the runs.
    decodeHybrid(bytes, 4, bytes.length, 1, bits);
    return Array.from(bits, (bit) => bit === 1);
  }
  if (encoding === 'DELTA_BINARY_PACKED' && (type === 'INT32' || type === 'INT64')) {
    const values = type === 'INT32' ? new Int32Array(present) : new BigInt64Array(present);
    deltaBinaryUnpack(reader, present, values);
    return values;
  }
  if (encoding === 'DELTA_LENGTH_BYTE_ARRAY' || encoding === 'DELTA_BYTE_ARRAY') {
    const values: Uint8Array[] = new Array(present);
    if (encoding === 'DELTA_BYTE_ARRAY') deltaByteArray(reader, present, values);
    else deltaLengthByteArray(reader, present, values);
    return values;
  }
  throw new Error(`its encoding ${encoding} is not read`);
}

/** @throws Error for an index beyond the dictionary */
export function dictionaryIndices(page: ParquetPage, dictionaryLength: number): Uint32Array {
  const indices = new Uint32Array(page.present);
  decodeHybrid(page.bytes, 1, page.bytes.length, page.bytes[0] ?? 0, indices);
  for (let i = 0; i < indices.length; i++) {
    const index = indices[i] as number;
    if (index >= dictionaryLength)
      throw new Error(`value ${index} of a dictionary of ${dictionaryLength} is asked for`);
  }
  return indices;
}

function valueText(value: unknown, isFloat32: boolean): string {
  if (value === null || value === undefined) return '';
  if (typeof value === 'string') return value;
  if (typeof value === 'number') return isFloat32 ? float32Text(value) : String(value);
  if (value instanceof Date) return value.toISOString().replace('T00:00:00.000Z', '');
  if (value instanceof Uint8Array) return Buffer.from(value).toString('hex');
  if (typeof value === 'object') return JSON.stringify(value);
  return String(value);
}

/** The shortest decimal number that is nearest to this float32 of all. */
function float32Text(value: number): string {
  for (let digits = 6; digits < 9; digits++) {
    const short = Number(value.toPrecision(digits));
    if (Math.fround(short) === value) return String(short);
  }
  return String(Number(value.toPrecision(9)));
}

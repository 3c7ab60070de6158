import type { Encoding } from 'hyparquet';
import { parquetHeader } from 'hyparquet/src/column.js';
import { readFully } from './files.ts';
import { decodeHybrid, decompressPage } from './parquetEncoding.ts';
import {
  chunkIn,
  damagedParquet,
  guardParquet,
  type ParquetChunk,
  type ParquetColumn,
  type ParquetFile,
} from './parquetFile.ts';

/** Writers make pages of about 1 MB, some one page a row group; a page is held in memory whole, packed and unpacked. */
export const MAX_PAGE_BYTES = 2 ** 28;

/** A page of runs can claim any number of values in a few bytes; each takes up to 8 bytes of memory. */
export const MAX_PAGE_VALUES = 2 ** 26;

/** A header with statistics takes some 100 bytes, more when these hold long texts. */
const HEADER_BYTES = 2 ** 16;

/** A page of values, unpacked. */
export interface ParquetPage {
  /** `dictionary`: what indices of later pages of the group refer to. */
  kind: 'data' | 'dictionary';
  /** With nulls. */
  values: number;
  /** One per value; null where the schema leaves no choice. */
  repetition: Uint8Array | null;
  definition: Uint8Array | null;
  /** Values that are there. */
  present: number;
  encoding: Encoding;
  /** The values, encoded. */
  bytes: Uint8Array;
}

/**
 * The pages of a column, in order, one in memory at a time.
 * @throws BackcompatError `bad-file` (damaged, a page beyond its limits)
 */
export async function* pagesOf(parquet: ParquetFile, column: ParquetColumn): AsyncGenerator<ParquetPage> {
  for (const group of parquet.groups) {
    const chunk = chunkIn(parquet, group, column);
    if (column.kind === 'flat' && chunk.values !== group.rows) {
      throw damagedParquet(
        parquet.file,
        `the column ${JSON.stringify(column.name)} has ${chunk.values} values in a group of ${group.rows} rows`,
      );
    }
    yield* pagesOfChunk(parquet, column, chunk);
  }
}

async function* pagesOfChunk(
  parquet: ParquetFile,
  column: ParquetColumn,
  chunk: ParquetChunk,
): AsyncGenerator<ParquetPage> {
  const { file, handle } = parquet;
  const end = chunk.start + chunk.bytes;
  const where = `a page of the column ${JSON.stringify(column.name)}`;
  const window = new Uint8Array(Math.min(HEADER_BYTES, chunk.bytes));
  let at = chunk.start;
  let values = 0;
  while (values < chunk.values) {
    const head = window.subarray(0, Math.min(window.length, end - at));
    if (head.length === 0) {
      throw damagedParquet(file, `the column ${JSON.stringify(column.name)} has ${values} of ${chunk.values} values`);
    }
    if (!(await readFully(handle, head, at))) throw damagedParquet(file, 'it became shorter');
    const reader = { view: new DataView(head.buffer, head.byteOffset, head.length), offset: 0 };
    const header = guardParquet(file, where, () => parquetHeader(reader));
    const packedBytes = header.compressed_page_size;
    const pageBytes = header.uncompressed_page_size;
    if (!isCount(packedBytes) || !isCount(pageBytes) || at + reader.offset + packedBytes > end) {
      throw damagedParquet(file, `${where} claims ${packedBytes} bytes, ${pageBytes} unpacked`);
    }
    if (packedBytes > MAX_PAGE_BYTES || pageBytes > MAX_PAGE_BYTES) {
      throw damagedParquet(
        file,
        `${where} takes ${Math.max(packedBytes, pageBytes)} bytes; at most ${MAX_PAGE_BYTES} are unpacked`,
      );
    }
    const packed = new Uint8Array(packedBytes);
    if (!(await readFully(handle, packed, at + reader.offset))) throw damagedParquet(file, 'it became shorter');
    at += reader.offset + packedBytes;
    const page = guardParquet(file, where, () => readPage(header, packed, column, chunk));
    if (page === null) continue;
    if (page.kind === 'data') values += page.values;
    if (values > chunk.values) {
      throw damagedParquet(file, `the column ${JSON.stringify(column.name)} has more than ${chunk.values} values`);
    }
    yield page;
  }
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0;
}

type PageHeader = ReturnType<typeof parquetHeader>;

/** Null for pages that hold no values. */
function readPage(
  header: PageHeader,
  packed: Uint8Array,
  column: ParquetColumn,
  chunk: ParquetChunk,
): ParquetPage | null {
  const size = header.uncompressed_page_size;
  const { data_page_header: v1, data_page_header_v2: v2, dictionary_page_header: dictionary } = header;
  const claimed = (v1 ?? v2 ?? dictionary)?.num_values;
  if (header.type === 'INDEX_PAGE') return null;
  if (!isCount(claimed) || claimed > MAX_PAGE_VALUES) throw new Error(`it claims ${claimed} values`);
  const values = claimed;
  if (header.type === 'DICTIONARY_PAGE' && dictionary) {
    const bytes = decompressPage(chunk.codec, packed, size);
    return {
      kind: 'dictionary',
      values,
      repetition: null,
      definition: null,
      present: values,
      encoding: 'PLAIN',
      bytes,
    };
  }
  if (header.type === 'DATA_PAGE' && v1) {
    const bytes = decompressPage(chunk.codec, packed, size);
    let at = 0;
    const level = (most: number, encoding: Encoding): Uint8Array | null => {
      if (most === 0) return null;
      if (encoding !== 'RLE') throw new Error(`its levels are encoded as ${encoding}`);
      if (at + 4 > bytes.length) throw new Error('it ends in its levels');
      const length = new DataView(bytes.buffer, bytes.byteOffset).getUint32(at, true);
      const end = at + 4 + length;
      if (end > bytes.length) throw new Error('its levels go beyond it');
      const levels = levelsOf(bytes, at + 4, end, most, values);
      at = end;
      return levels;
    };
    const repetition = level(column.maxRepetition, v1.repetition_level_encoding);
    const definition = level(column.maxDefinition, v1.definition_level_encoding);
    const present = presentIn(definition, column.maxDefinition, values);
    return { kind: 'data', values, repetition, definition, present, encoding: v1.encoding, bytes: bytes.subarray(at) };
  }
  if (header.type === 'DATA_PAGE_V2' && v2) {
    const repetitionBytes = v2.repetition_levels_byte_length;
    const levelBytes = repetitionBytes + v2.definition_levels_byte_length;
    if (!isCount(repetitionBytes) || !isCount(levelBytes) || levelBytes > packed.length || levelBytes > size) {
      throw new Error('its levels go beyond it');
    }
    const repetition =
      column.maxRepetition === 0 ? null : levelsOf(packed, 0, repetitionBytes, column.maxRepetition, values);
    const definition =
      column.maxDefinition === 0 ? null : levelsOf(packed, repetitionBytes, levelBytes, column.maxDefinition, values);
    const present = presentIn(definition, column.maxDefinition, values);
    const codec = v2.is_compressed === false ? 'UNCOMPRESSED' : chunk.codec;
    const bytes = decompressPage(codec, packed.subarray(levelBytes), size - levelBytes);
    return { kind: 'data', values, repetition, definition, present, encoding: v2.encoding, bytes };
  }
  throw new Error(`it is of the unknown type ${header.type}`);
}

function levelsOf(bytes: Uint8Array, start: number, end: number, most: number, values: number): Uint8Array {
  const levels = new Uint8Array(values);
  decodeHybrid(bytes, start, end, 32 - Math.clz32(most), levels);
  return levels;
}

function presentIn(definition: Uint8Array | null, most: number, values: number): number {
  if (definition === null) return values;
  let present = 0;
  for (let i = 0; i < values; i++) if (definition[i] === most) present++;
  return present;
}

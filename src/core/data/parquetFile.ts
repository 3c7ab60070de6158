import type { FileHandle } from 'node:fs/promises';
import { type ColumnMetaData, parquetMetadata, type SchemaElement, type SchemaTree } from 'hyparquet';
import { getSchemaPath } from 'hyparquet/src/schema.js';
import { BackcompatError } from '../contract/errors.ts';
import { openFile, readFully } from './files.ts';

/** The footer of a table with 1,000 columns in 100 row groups takes some 15 MB. */
const MAX_FOOTER_BYTES = 2 ** 26;

const MAGIC = 'PAR1';

const EXPORT_REMEDY = 'Copy or export it again.';

/** A column of values: a column of the table, the leaf of a list, or a leaf of something deeper. */
export interface ParquetColumn {
  /** Of the column of the table that it belongs to. */
  name: string;
  /** `flat`: one value a row or none; `list`: a list of values a row or none; `other`: deeper than that. */
  kind: 'flat' | 'list' | 'other';
  /** Of the leaf, joined as in `chunks`. */
  path: string;
  element: SchemaElement;
  schemaPath: SchemaTree[];
  /** A value is there where its definition level is this. */
  maxDefinition: number;
  maxRepetition: number;
}

export interface ParquetGroup {
  rows: number;
  /** By path of the leaf. */
  chunks: ReadonlyMap<string, ParquetChunk>;
}

/** The pages of a column in a row group. */
export interface ParquetChunk {
  /** Place in the file. */
  start: number;
  bytes: number;
  /** Values, with nulls. */
  values: number;
  codec: ColumnMetaData['codec'];
}

export interface ParquetFile {
  readonly file: string;
  readonly handle: FileHandle;
  readonly rows: number;
  readonly columns: readonly ParquetColumn[];
  readonly groups: readonly ParquetGroup[];
  close(): Promise<void>;
}

/**
 * Opens a Parquet file (https://parquet.apache.org/docs/file-format/) and reads its footer, whose claims are checked
 * against the file's size.
 * @throws BackcompatError `not-found`; `bad-file` (magic, truncated, encrypted, a footer that makes no sense)
 */
export async function openParquet(file: string, what: string): Promise<ParquetFile> {
  const { handle, size } = await openFile(file, what);
  try {
    const metadata = await readFooter(file, handle, size);
    const footerStart = size - 8 - metadata.metadata_length;
    const parsed = guardParquet(file, 'its footer', () => ({
      columns: columnsOf(metadata.schema),
      rows: wholeNumber(metadata.num_rows, 'rows'),
      groups: metadata.row_groups.map((group) => ({
        rows: wholeNumber(group.num_rows, 'rows of a group'),
        chunks: new Map(
          group.columns.map(({ meta_data: chunk, file_path }) => {
            if (file_path) throw new Error('columns lie in other files');
            if (chunk === undefined) throw new Error('a column is encrypted');
            return [chunk.path_in_schema.join('\0'), chunkOf(chunk, footerStart)];
          }),
        ),
      })),
    }));
    const inGroups = parsed.groups.reduce((sum, group) => sum + group.rows, 0);
    if (inGroups !== parsed.rows) {
      throw damagedParquet(file, `its footer claims ${parsed.rows} rows, its row groups have ${inGroups}`);
    }
    return { file, handle, ...parsed, close: () => handle.close() };
  } catch (error) {
    await handle.close();
    throw error;
  }
}

async function readFooter(file: string, handle: FileHandle, size: number) {
  const ends = Buffer.alloc(12);
  if (size < 12 || !(await readFully(handle, ends.subarray(0, 4), 0))) throw damagedParquet(file, 'it is too short');
  if (!ends.toString('latin1', 0, 4).startsWith('PAR')) {
    throw new BackcompatError('bad-file', `${file} is not a Parquet file: it does not begin with ${MAGIC}.`, {
      place: { file },
      remedy: 'Check that it is the right file.',
    });
  }
  await readFully(handle, ends.subarray(4), size - 8);
  const end = ends.toString('latin1', 8);
  if (end === 'PARE') {
    throw new BackcompatError('bad-file', `${file} is encrypted.`, {
      place: { file },
      remedy: 'Export it without encryption.',
    });
  }
  if (end !== MAGIC) throw damagedParquet(file, `it does not end with ${MAGIC}, so it is truncated`);
  const length = ends.readUInt32LE(4);
  if (length > size - 12) throw damagedParquet(file, `it claims a footer of ${length} bytes and has ${size}`);
  if (length > MAX_FOOTER_BYTES) {
    throw damagedParquet(file, `it claims a footer of ${length} bytes; at most ${MAX_FOOTER_BYTES} are read`);
  }
  const footer = new Uint8Array(length + 8);
  if (!(await readFully(handle, footer, size - 8 - length))) throw damagedParquet(file, 'it became shorter');
  return guardParquet(file, 'its footer', () => parquetMetadata(footer, { geoparquet: false }));
}

function columnsOf(schema: SchemaElement[]): ParquetColumn[] {
  const [tree] = getSchemaPath(schema, []);
  if (tree === undefined || tree.count !== schema.length) throw new Error('its schema is no tree');
  return tree.children.flatMap((column) => {
    const leaves: ParquetColumn[] = [];
    const walk = (node: SchemaTree, above: readonly SchemaTree[]): void => {
      const schemaPath = [...above, node];
      for (const child of node.children) walk(child, schemaPath);
      if (node.children.length > 0) return;
      const own = schemaPath.slice(1).map(({ element }) => element.repetition_type);
      const maxRepetition = own.filter((type) => type === 'REPEATED').length;
      leaves.push({
        name: column.element.name,
        kind: schemaPath.length === 2 && maxRepetition === 0 ? 'flat' : maxRepetition === 1 ? 'list' : 'other',
        path: node.path.join('\0'),
        element: node.element,
        schemaPath,
        maxDefinition: own.filter((type) => type !== 'REQUIRED').length,
        maxRepetition,
      });
    };
    walk(column, [tree]);
    return leaves.length === 1 ? leaves : leaves.map((leaf) => ({ ...leaf, kind: 'other' as const }));
  });
}

function chunkOf(chunk: ColumnMetaData, footerStart: number): ParquetChunk {
  const dataStart = wholeNumber(chunk.data_page_offset, 'offset of a page');
  const dictionaryStart = wholeNumber(chunk.dictionary_page_offset ?? 0n, 'offset of a dictionary');
  // Some writers leave 0 where there is no dictionary.
  const start = dictionaryStart > 0 && dictionaryStart < dataStart ? dictionaryStart : dataStart;
  const bytes = wholeNumber(chunk.total_compressed_size, 'size of a column');
  if (start + bytes > footerStart) throw new Error('a column goes beyond the data');
  return { start, bytes, values: wholeNumber(chunk.num_values, 'values of a column'), codec: chunk.codec };
}

function wholeNumber(value: bigint, what: string): number {
  const number = Number(value);
  if (!Number.isSafeInteger(number) || number < 0) throw new Error(`the number of ${what} is ${value}`);
  return number;
}

/** The chunk of a column in a group. @throws BackcompatError `bad-file` when the group lacks the column */
export function chunkIn(parquet: ParquetFile, group: ParquetGroup, column: ParquetColumn): ParquetChunk {
  const chunk = group.chunks.get(column.path);
  if (chunk) return chunk;
  throw damagedParquet(parquet.file, `a row group lacks the column ${JSON.stringify(column.name)}`);
}

export function damagedParquet(file: string, problem: string, cause?: unknown): BackcompatError {
  return new BackcompatError('bad-file', `${file} is a damaged Parquet file: ${problem}.`, {
    place: { file },
    remedy: EXPORT_REMEDY,
    cause,
  });
}

/** Runs a parser that throws whatever it stumbles over; its errors become one of ours. */
export function guardParquet<T>(file: string, where: string, parse: () => T): T {
  try {
    return parse();
  } catch (cause) {
    if (cause instanceof BackcompatError) throw cause;
    throw damagedParquet(
      file,
      `${where} cannot be understood (${cause instanceof Error ? cause.message : cause})`,
      cause,
    );
  }
}

import { createReadStream } from 'node:fs';
import path from 'node:path';
import { type CsvError, parse } from 'csv-parse';
import { quotedList } from '../config/closest.ts';
import { BackcompatError } from '../contract/errors.ts';
import { fileSize, notFound } from './files.ts';
import type { ItemSet } from './itemSet.ts';

/** An unclosed quote would swallow the rest of the file into one field. */
const MAX_RECORD_BYTES = 2 ** 20;

const FORMAT_REMEDY =
  'A label file is a CSV with a header: "label" is required, "id" is optional, other columns are slices.';

export interface LabelTableOptions {
  /** For messages and as the set's name. */
  name: string;
  /** Without an `id` column the id of row i (from 0) is `<idPrefix>/<i>`. */
  idPrefix: string;
}

/**
 * Reads a label file: CSV (RFC 4180, UTF-8, with or without BOM) with a header. Row i belongs to vector i.
 * Streamed; strings that repeat are held once, so that a million rows take some 100 MB.
 * @throws BackcompatError `not-found`; `bad-file` (not a CSV, no `label` column, ragged rows);
 *   `bad-data` (empty label or id, duplicate ids, no rows), with row numbers from 1
 */
export async function readLabelTable(file: string, options: LabelTableOptions): Promise<ItemSet> {
  await fileSize(file, 'The label file');
  const columns: Columns = { header: null, label: -1, id: -1, slices: [] };
  const classNames: string[] = [];
  const classIndex = new Map<string, number>();
  const labels: number[] = [];
  const ids: string[] = [];
  let rows = 0;
  // Blank lines are no rows at the end of a file, and an error before it.
  let firstBlank = 0;

  const takeRow = (record: string[]): void => {
    if (columns.header === null) {
      readHeader(file, record, columns);
      return;
    }
    rows++;
    if (record.length === 1 && record[0] === '') {
      firstBlank ||= rows;
      return;
    }
    if (firstBlank > 0) throw rowError(file, firstBlank, 'is empty', 'label');
    if (record.length !== columns.header.length) {
      throw rowError(
        file,
        rows,
        `has ${record.length} fields, the header has ${columns.header.length}`,
        undefined,
        'bad-file',
      );
    }
    const label = record[columns.label] as string;
    if (label === '') throw rowError(file, rows, 'has an empty label', 'label');
    let index = classIndex.get(label);
    if (index === undefined) {
      index = classNames.length;
      classNames.push(label);
      classIndex.set(label, index);
    }
    labels.push(index);
    if (columns.id >= 0) {
      const id = record[columns.id] as string;
      if (id === '') throw rowError(file, rows, 'has an empty id', 'id');
      ids.push(id);
    }
    for (const slice of columns.slices) {
      const value = record[slice.column] as string;
      const held = slice.known.get(value);
      if (held === undefined) slice.known.set(value, value);
      slice.values.push(held ?? value);
    }
  };

  await parseCsv(file, takeRow);
  if (columns.header === null) {
    throw new BackcompatError('bad-file', `${file} is empty.`, { place: { file }, remedy: FORMAT_REMEDY });
  }
  if (labels.length === 0) {
    throw new BackcompatError('bad-data', `${file} has a header but no rows.`, {
      place: { file },
      remedy: FORMAT_REMEDY,
    });
  }
  if (columns.id >= 0) refuseDuplicates(file, ids);
  else for (let row = 0; row < labels.length; row++) ids.push(`${options.idPrefix}/${row}`);
  return {
    name: options.name,
    count: labels.length,
    ids,
    labelOf: Int32Array.from(labels),
    classNames,
    slices: new Map(columns.slices.map((slice) => [slice.name, slice.values])),
    images: null,
    ...(columns.id >= 0 ? {} : { rowFile: path.resolve(file) }),
  };
}

interface Columns {
  header: string[] | null;
  label: number;
  id: number;
  slices: { name: string; column: number; values: string[]; known: Map<string, string> }[];
}

function readHeader(file: string, record: string[], columns: Columns): void {
  const header = record.map((name) => name.trim());
  const refuse = (message: string): BackcompatError =>
    new BackcompatError('bad-file', message, { place: { file, line: 1 }, remedy: FORMAT_REMEDY });
  if (header.some((name) => name.includes('\0') || name.includes('\uFFFD'))) {
    throw refuse(`${file} is not a CSV text in UTF-8.`);
  }
  const repeated = header.find((name, index) => name !== '' && header.indexOf(name) < index);
  if (repeated !== undefined) throw refuse(`${file} has two columns called ${JSON.stringify(repeated)}.`);
  columns.label = header.indexOf('label');
  if (columns.label < 0) {
    const other = header.length === 1 && /[;\t]/.test(header[0] as string);
    const hint = other ? ' Columns must be separated by commas.' : '';
    throw refuse(`${file} has no column "label"; its header has ${quotedList(header)}.${hint}`);
  }
  columns.header = header;
  columns.id = header.indexOf('id');
  header.forEach((name, column) => {
    // A column without a name is an index that a data frame wrote.
    if (name === '' || column === columns.label || column === columns.id) return;
    columns.slices.push({ name, column, values: [], known: new Map() });
  });
}

function rowError(
  file: string,
  row: number,
  what: string,
  field: string | undefined,
  code: 'bad-data' | 'bad-file' = 'bad-data',
): BackcompatError {
  return new BackcompatError(code, `${file}: row ${row} ${what} (rows count from 1, without the header).`, {
    place: { file, row, field },
    remedy:
      field === undefined
        ? FORMAT_REMEDY
        : `Give it ${field === 'id' ? 'an id' : 'a label'}, or remove it here and from the vectors.`,
  });
}

function refuseDuplicates(file: string, ids: readonly string[]): void {
  if (new Set(ids).size === ids.length) return;
  const firstRow = new Map<string, number>();
  ids.forEach((id, row) => {
    const first = firstRow.get(id);
    if (first !== undefined) {
      throw new BackcompatError(
        'bad-data',
        `${file}: rows ${first + 1} and ${row + 1} have the same id ${JSON.stringify(id)}.`,
        { place: { file, row: row + 1, field: 'id' }, remedy: 'Give every item an id of its own.' },
      );
    }
    firstRow.set(id, row);
  });
}

function parseCsv(file: string, take: (record: string[]) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    const parser = parse({ bom: true, relax_column_count: true, max_record_size: MAX_RECORD_BYTES });
    const input = createReadStream(file, { highWaterMark: 2 ** 18 });
    const fail = (error: unknown): void => {
      input.destroy();
      parser.destroy();
      reject(error);
    };
    input.on('error', (error) => fail(notFound(file, 'The label file', error)));
    parser.on('error', (error: CsvError) => fail(csvError(file, error)));
    parser.on('readable', () => {
      try {
        for (let record = parser.read(); record !== null; record = parser.read()) take(record);
      } catch (error) {
        fail(error);
      }
    });
    parser.on('end', resolve);
    input.pipe(parser);
  });
}

function csvError(file: string, error: CsvError): BackcompatError {
  const line = typeof error.lines === 'number' ? error.lines : undefined;
  const words =
    error.code === 'CSV_MAX_RECORD_SIZE' || error.code === 'CSV_QUOTE_NOT_CLOSED'
      ? 'a quote is not closed'
      : error.message;
  return new BackcompatError('bad-file', `${file} is not a CSV${line ? ` (line ${line})` : ''}: ${words}.`, {
    place: { file, line },
    remedy: 'A field with a comma, a quote or a new line stands in double quotes, with inner quotes doubled.',
    cause: error,
  });
}

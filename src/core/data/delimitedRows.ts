import { createReadStream } from 'node:fs';
import { type CsvError, parse } from 'csv-parse';
import { BackcompatError } from '../contract/errors.ts';
import { notFound } from './files.ts';
import { ROWS_PER_BLOCK, type RowOptions } from './rowOptions.ts';

/** An unclosed quote would swallow the rest of the file into one field. */
const MAX_RECORD_BYTES = 2 ** 20;

/** See `readRows`. Names of columns are trimmed; a column without a name is an index that a data frame wrote. */
export async function* delimitedRows(
  file: string,
  delimiter: ',' | '\t',
  { choose, what }: RowOptions,
): AsyncGenerator<string[][]> {
  let header: string[] | null = null;
  let chosen: number[] = [];
  let rows = 0;
  // Blank lines are no rows at the end of a file, and an error before it.
  let firstBlank = 0;
  for await (const records of recordBlocks(file, delimiter, what)) {
    const block: string[][] = [];
    for (const record of records) {
      if (header === null) {
        const names = headerOf(file, record, delimiter);
        header = names;
        const columns = names.filter((name) => name !== '').map((name) => ({ name, nested: false }));
        chosen = choose(columns).map((name) => names.indexOf(name));
        continue;
      }
      rows++;
      if (record.length === 1 && record[0] === '') {
        firstBlank ||= rows;
        continue;
      }
      if (firstBlank > 0) throw rowError(file, firstBlank, 'is empty', 'Remove the empty line, or fill it.');
      if (record.length !== header.length) {
        throw rowError(
          file,
          rows,
          `has ${record.length} fields, the header has ${header.length}`,
          `Give every row the fields of the header, separated by ${delimiter === ',' ? 'commas' : 'tabs'}.`,
        );
      }
      block.push(chosen.map((column) => record[column] as string));
    }
    if (block.length > 0) yield block;
  }
  if (header === null) {
    throw new BackcompatError('bad-file', `${file} is empty.`, {
      place: { file },
      remedy: 'Export it again: its first line names the columns.',
    });
  }
}

function headerOf(file: string, record: readonly string[], delimiter: ',' | '\t'): string[] {
  const header = record.map((name) => name.trim());
  const refuse = (message: string): BackcompatError =>
    new BackcompatError('bad-file', message, {
      place: { file, line: 1 },
      remedy: 'Its first line names the columns, each once.',
    });
  if (header.some((name) => name.includes('\0') || name.includes('\uFFFD'))) {
    throw refuse(`${file} is not a ${delimiter === ',' ? 'CSV' : 'TSV'} text in UTF-8.`);
  }
  const seen = new Set<string>();
  for (const name of header) {
    if (name !== '' && seen.has(name)) throw refuse(`${file} has two columns called ${JSON.stringify(name)}.`);
    seen.add(name);
  }
  return header;
}

function rowError(file: string, row: number, problem: string, remedy: string): BackcompatError {
  return new BackcompatError('bad-file', `${file}: row ${row} ${problem} (rows count from 1, without the header).`, {
    place: { file, row },
    remedy,
  });
}

/** Records in blocks, no more of them parsed than are asked for. */
async function* recordBlocks(file: string, delimiter: string, what: string): AsyncGenerator<string[][]> {
  const input = createReadStream(file, { highWaterMark: 2 ** 18 });
  const parser = parse({ bom: true, delimiter, relax_column_count: true, max_record_size: MAX_RECORD_BYTES });
  let failure: BackcompatError | null = null;
  let ended = false;
  let wake = (): void => {};
  const fail = (error: BackcompatError): void => {
    failure ??= error;
    wake();
  };
  input.on('error', (error) => fail(notFound(file, what, error)));
  parser.on('error', (error: CsvError) => fail(csvError(file, delimiter, error)));
  parser.on('end', () => {
    ended = true;
    wake();
  });
  parser.on('readable', () => wake());
  input.pipe(parser);
  try {
    while (!ended) {
      const woken = new Promise<void>((resolve) => {
        wake = resolve;
      });
      const block: string[][] = [];
      while (block.length < ROWS_PER_BLOCK) {
        const record = parser.read() as string[] | null;
        if (record === null) break;
        block.push(record);
      }
      if (block.length > 0) yield block;
      // Rows before a bad one are handed on first: they may hold an error of their own.
      else if (failure !== null) throw failure;
      else if (!ended) await woken;
    }
  } finally {
    input.destroy();
    parser.destroy();
  }
}

function csvError(file: string, delimiter: string, error: CsvError): BackcompatError {
  const line = typeof error.lines === 'number' ? error.lines : undefined;
  const words =
    error.code === 'CSV_MAX_RECORD_SIZE' || error.code === 'CSV_QUOTE_NOT_CLOSED'
      ? 'a quote is not closed'
      : error.message;
  const format = delimiter === ',' ? 'CSV' : 'TSV';
  return new BackcompatError('bad-file', `${file} is not a ${format}${line ? ` (line ${line})` : ''}: ${words}.`, {
    place: { file, line },
    remedy: 'A field with a separator, a quote or a new line stands in double quotes, with inner quotes doubled.',
    cause: error,
  });
}

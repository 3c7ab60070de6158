import { BackcompatError } from '../contract/errors.ts';
import { readRows } from './rowTable.ts';
import type { RowBlock, VectorStream } from './vectorArray.ts';
import { parseList, parseNumber, type VectorColumns } from './vectorColumns.ts';

/** The vectors of a CSV, TSV or JSON Lines file, a block of rows at a time. */
export function openTextVectors(file: string, { kind, columns }: VectorColumns): VectorStream {
  return {
    count: null,
    dimension: kind === 'components' ? columns.length : null,
    blocks: () => (kind === 'components' ? componentBlocks(file, columns) : listBlocks(file, columns[0] as string)),
    async close() {},
  };
}

async function* componentBlocks(file: string, columns: readonly string[]): AsyncGenerator<RowBlock> {
  const dimension = columns.length;
  let row = 0;
  for await (const block of readRows(file, { choose: () => columns, what: 'The vector file' })) {
    const values = new Float32Array(block.length * dimension);
    for (const [inBlock, texts] of block.entries()) {
      row++;
      for (let component = 0; component < dimension; component++) {
        const text = texts[component] as string;
        const value = parseNumber(text);
        if (value === null) throw notANumber(file, row, columns[component] as string, text);
        values[inBlock * dimension + component] = value;
      }
    }
    yield { values, dimension };
  }
}

async function* listBlocks(file: string, column: string): AsyncGenerator<RowBlock> {
  let dimension = 0;
  let row = 0;
  for await (const block of readRows(file, { choose: () => [column], what: 'The vector file' })) {
    let values = new Float32Array(block.length * dimension);
    for (const [inBlock, [text = '']] of block.entries()) {
      row++;
      const list = parseList(text);
      if (list === null) throw notAVector(file, row, column, text);
      if (dimension === 0) {
        dimension = list.length;
        values = new Float32Array(block.length * dimension);
      }
      if (list.length !== dimension) {
        throw new BackcompatError(
          'bad-data',
          `${file}: row ${row} of ${JSON.stringify(column)} has ${list.length} values, the first has ${dimension} (rows count from 1).`,
          { place: { file, row, field: column }, remedy: 'Export vectors of one length, one a row.' },
        );
      }
      values.set(list, inBlock * dimension);
    }
    yield { values, dimension };
  }
}

/** Of a bad value, as much as a message can show. */
function shown(text: string): string {
  return JSON.stringify(text.length > 40 ? `${text.slice(0, 40)}…` : text);
}

function notANumber(file: string, row: number, column: string, text: string): BackcompatError {
  return new BackcompatError(
    'bad-data',
    `${file}: row ${row} has ${text.trim() === '' ? 'nothing' : shown(text)} in column ${JSON.stringify(column)}, expected a number (rows count from 1).`,
    { place: { file, row, field: column }, remedy: 'Export that vector again, or remove the row.' },
  );
}

function notAVector(file: string, row: number, column: string, text: string): BackcompatError {
  const found = text.trim() === '' ? 'nothing' : shown(text);
  return new BackcompatError(
    'bad-data',
    `${file}: row ${row} has ${found} in column ${JSON.stringify(column)}, expected a list of numbers: [0.1, 0.2] (rows count from 1).`,
    { place: { file, row, field: column }, remedy: 'Export that vector again, or remove the row.' },
  );
}

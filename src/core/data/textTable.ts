import path from 'node:path';
import { BackcompatError } from '../contract/errors.ts';
import type { ItemColumns } from './itemBuilder.ts';
import type { ItemSet } from './itemSet.ts';
import { readLabelTable } from './labelTable.ts';

/** A million titles are some 60 million characters; ten times the longest plausible gallery of them stays in memory. */
export const MAX_TEXT_CHARACTERS = 2 ** 30;

export interface TextTableOptions {
  /** The dataset's name: ids without a column of their own begin with it. */
  name: string;
  /** Column with the text. Default: `text`. */
  field?: string;
  columns?: ItemColumns;
  /** Whether a table without labels will do. */
  labelOptional?: boolean;
  signal?: AbortSignal;
}

/**
 * Reads a table of texts (CSV, TSV, JSON Lines or Parquet), one row an item. Texts are held in memory.
 * @throws BackcompatError as `readLabelTable`; `bad-data` for an empty text, with its row, and for more than 2^30 characters
 */
export async function readTextTable(file: string, options: TextTableOptions): Promise<ItemSet> {
  const { name, field = 'text', columns, labelOptional, signal } = options;
  const texts: string[] = [];
  let characters = 0;
  const label = { name, idPrefix: name, columns, labelOptional, signal, also: [field], what: 'The text file' };
  const items = await readLabelTable(file, label, ([text = ''], row) => {
    if (text.trim() === '') {
      throw new BackcompatError(
        'bad-data',
        `${file}: row ${row + 1} has an empty text (column ${JSON.stringify(field)}; rows count from 1, without the header).`,
        { place: { file, row: row + 1, field }, remedy: 'Give it a text, or remove the row.' },
      );
    }
    characters += text.length;
    if (characters > MAX_TEXT_CHARACTERS) {
      throw new BackcompatError('bad-data', `${file} has more than ${MAX_TEXT_CHARACTERS} characters of text.`, {
        place: { file: path.resolve(file), row: row + 1 },
        remedy: 'Embed it in parts, and audit the vectors as tables.',
      });
    }
    texts.push(text);
  });
  return { ...items, texts: { text: (item) => texts[item] as string } };
}

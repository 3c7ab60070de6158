import { visibleText } from '../../contract/format.ts';
import { clip } from '../terminal.ts';

/** What Markdown, its tables, GitHub's mentions, issues, maths and emoji could be made of. */
const special = /[&<>`*_~[\]|\\$"]/g;
const entity = (character: string) => `&#${character.codePointAt(0)};`;
/** Nobody sees it, and it ends a mention or a reference to an issue. */
const ZERO_WIDTH_SPACE = '&#8203;';

/** Characters of a title, message or cell; longer is none of ours. */
const MAX_TEXT = 500;

/** Text from data inside a sentence, cut to `length` characters: it stays text, and calls nobody. */
export function textMark(text: string, length = MAX_TEXT): string {
  return (
    visibleText(text.length > length ? `${text.slice(0, length)}…` : text)
      .replace(special, entity)
      .replace(/(?<!&)([@#])/g, (character) => entity(character) + ZERO_WIDTH_SPACE)
      // `:smile:` and `https://`; a colon before a space is a colon.
      .replace(/:(?=\S)/g, '&#58;')
      .replace(/\bwww\./gi, (word) => `${word.slice(0, -1)}&#46;`)
  );
}

/** A paragraph of such text: its first character begins no list, heading or quote either. */
export function paragraphMark(text: string, length = MAX_TEXT): string {
  const marked = textMark(text, length);
  return /^[-+=\d\s]/.test(marked) ? entity(marked.charAt(0)) + marked.slice(1) : marked;
}

/**
 * A name, id, label or path: in code, where GitHub looks for neither mentions nor links. An element
 * rather than backticks: in a table no backtick protects a pipe.
 * @param length characters that are kept
 */
export function codeMark(text: string, length = 60): string {
  // Cut before it is measured: a label may be as long as a book.
  const inside = clip(visibleText(text.slice(0, 4 * length)), length)
    .replace(/[^\p{L}\p{M}\p{N} .,;…-]/gu, entity)
    .replace(/\bwww\./gi, (word) => `${word.slice(0, -1)}&#46;`);
  return `<code>${inside}</code>`;
}

/** A table; cells are marked already. */
export function tableMark(head: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  const align = head.map((title) => (title.startsWith('>') ? '---:' : '---'));
  return [line(head.map((title) => title.replace(/^>/, ''))), line(align), ...rows.map(line)];
}

export interface RowColumn {
  name: string;
  /** Lists and objects, as far as the format tells: no value to group or to compare by. */
  nested: boolean;
}

export interface RowOptions {
  /**
   * Called once, with the columns in the order of the file, before any row is read: names those to be
   * read. What it throws ends the reading.
   */
  choose: (columns: readonly RowColumn[]) => readonly string[];
  /** For messages: "The label file". */
  what: string;
}

/** Rows that are handed on together: as many as make the cost of a turn vanish, few enough to stay small. */
export const ROWS_PER_BLOCK = 1024;

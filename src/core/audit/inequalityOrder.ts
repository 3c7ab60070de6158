/** Rows by class: what belongs together lies together, so that few tiles hold pairs of both signs. */
export interface ClassOrder {
  /** Row at each position; classes ascending, rows ascending within a class. */
  rowAt: Int32Array;
  /** Its label. */
  labelAt: Int32Array;
  /** Position of each row, counted from `start`. */
  positionOf: Int32Array;
}

/** Orders the rows [start, end) by label (counting sort; cost: rows + classes). */
export function orderByClass(labels: Int32Array, start: number, end: number, classes: number): ClassOrder {
  const next = new Int32Array(classes + 1);
  for (let row = start; row < end; row++) {
    const after = (labels[row] as number) + 1;
    next[after] = (next[after] as number) + 1;
  }
  for (let c = 0; c < classes; c++) next[c + 1] = (next[c + 1] as number) + (next[c] as number);
  const rowAt = new Int32Array(end - start);
  const labelAt = new Int32Array(end - start);
  const positionOf = new Int32Array(end - start);
  for (let row = start; row < end; row++) {
    const label = labels[row] as number;
    const position = next[label] as number;
    next[label] = position + 1;
    rowAt[position] = row;
    labelAt[position] = label;
    positionOf[row - start] = position;
  }
  return { rowAt, labelAt, positionOf };
}

/**
 * Vectors of one model for the items of one set: row i belongs to item i. Values are float32, as
 * stored (not normalised). Reading is positional, so that a table never has to fit in memory.
 */
export interface VectorSource {
  /** For messages: the file, or "v1 on digits/query". */
  readonly name: string;
  readonly count: number;
  readonly dimension: number;
  /**
   * Copies rows [start, start + count) into the head of `into` (row-major, count x dimension).
   * @throws BackcompatError `bad-data` naming file and row for a NaN, infinite or all-zero row
   */
  read(start: number, count: number, into: Float32Array): Promise<void>;
  /** Frees file handles; further reads fail. Idempotent. */
  close(): Promise<void>;
}

/** Rows of `source` picked by index (repeats allowed), in the given order. */
export function selectRows(source: VectorSource, rows: Int32Array, name = source.name): VectorSource {
  return {
    name,
    count: rows.length,
    dimension: source.dimension,
    async read(start, count, into) {
      const { dimension } = source;
      // Neighbouring rows are read together: a permutation costs one read a row, a range only one.
      let position = 0;
      while (position < count) {
        const first = rows[start + position] as number;
        let length = 1;
        while (position + length < count && rows[start + position + length] === first + length) length++;
        await source.read(first, length, into.subarray(position * dimension, (position + length) * dimension));
        position += length;
      }
    },
    close: () => source.close(),
  };
}

/** Vectors already in memory: row-major, count x dimension. */
export function vectorsInMemory(name: string, values: Float32Array, dimension: number): VectorSource {
  const count = values.length / dimension;
  return {
    name,
    count,
    dimension,
    async read(start, rows, into) {
      into.set(values.subarray(start * dimension, (start + rows) * dimension));
    },
    async close() {},
  };
}

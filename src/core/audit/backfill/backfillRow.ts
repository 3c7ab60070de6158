import { ORDERS, STEPS } from './backfillOrders.ts';

const POINTS = STEPS + 1;
/** Cells of a row of the table: every order at every step. */
const CELLS = ORDERS * POINTS;
/** Bins a token (a match's key, old or new), so that few tokens share one. */
const BINS_PER_TOKEN = 4;

/**
 * Ranks of one query's matches in all orders at all steps of a backfill, from one sweep of the gallery.
 *
 * Every item has two keys (lower is nearer), its old vector's and its new one's, and uses the second from its
 * step on. The keys of the matches, both of each, are sorted: the tokens. For every item the sweep finds how many
 * tokens each of its keys is behind, and notes in a table [tokens behind][order][step] the step at which
 * it moves from the one place to the other. Prefix sums over steps and places then tell how many items are
 * ahead of a token at each step.
 */
export class BackfillRow {
  /** Sum over queries of average precision, order x step. */
  readonly precision = new Float64Array(CELLS);
  /** Queries with a match among the k nearest, for each k; order x step. */
  readonly hits: Float64Array[];
  queries = 0;

  readonly #ks: readonly number[];
  readonly #steps: Uint8Array;
  readonly #keys: Float32Array;
  readonly #rows: Int32Array;
  /** 1 where the token is the match's new key. */
  readonly #isNew: Uint8Array;
  readonly #table: Int32Array;
  /** Items whose old key is behind so many tokens. */
  readonly #base: Int32Array;
  readonly #binStart: Int32Array;
  readonly #ahead = new Int32Array(CELLS);
  readonly #found = new Int32Array(CELLS);
  readonly #firstRank = new Int32Array(CELLS);
  readonly #sum = new Float64Array(CELLS);

  /**
   * @param steps see `switchSteps`
   * @param mostMatches largest number of matches a query has
   */
  constructor(steps: Uint8Array, mostMatches: number, ks: readonly number[]) {
    const tokens = 2 * mostMatches;
    this.#steps = steps;
    this.#ks = ks;
    this.hits = ks.map(() => new Float64Array(CELLS));
    this.#keys = new Float32Array(tokens);
    this.#rows = new Int32Array(tokens);
    this.#isNew = new Uint8Array(tokens);
    this.#table = new Int32Array((tokens + 1) * CELLS);
    this.#base = new Int32Array(tokens + 1);
    this.#binStart = new Int32Array(BINS_PER_TOKEN * tokens + 2);
  }

  /**
   * Takes one query. Ties are broken by gallery position.
   * @param oldKeys keys of the old gallery at [offset, offset + gallery), and `newKeys` of the new one
   * @param matches gallery rows of its class without itself, ascending, at least one
   * @param self gallery row of the query itself, -1 for none
   */
  add(oldKeys: Float32Array, newKeys: Float32Array, offset: number, matches: Int32Array, self: number): void {
    const tokens = 2 * matches.length;
    this.#sortTokens(oldKeys, newKeys, offset, matches);
    this.#sweep(oldKeys, newKeys, offset, tokens, self);
    this.#read(tokens);
    this.queries++;
  }

  #sortTokens(oldKeys: Float32Array, newKeys: Float32Array, offset: number, matches: Int32Array): void {
    const count = matches.length;
    const key = (token: number): number =>
      token < count
        ? (oldKeys[offset + (matches[token] as number)] as number)
        : (newKeys[offset + (matches[token - count] as number)] as number);
    const row = (token: number): number => matches[token < count ? token : token - count] as number;
    const order = Int32Array.from({ length: 2 * count }, (_, token) => token).sort(
      (a, b) => key(a) - key(b) || row(a) - row(b),
    );
    order.forEach((token, place) => {
      this.#keys[place] = key(token);
      this.#rows[place] = row(token);
      this.#isNew[place] = token < count ? 0 : 1;
    });
  }

  #sweep(oldKeys: Float32Array, newKeys: Float32Array, offset: number, tokens: number, self: number): void {
    const keys = this.#keys;
    const rows = this.#rows;
    const table = this.#table;
    const base = this.#base;
    const steps = this.#steps;
    const binStart = this.#binStart;
    const low = keys[0] as number;
    const high = keys[tokens - 1] as number;
    const bins = BINS_PER_TOKEN * tokens;
    const scale = high > low ? bins / (high - low) : 0;
    // Bin b holds the tokens [binStart[b], binStart[b + 1]); the map to bins is monotone, and the same for items.
    let bin = 0;
    for (let token = 0; token < tokens; token++) {
      const own = Math.floor(((keys[token] as number) - low) * scale);
      while (bin <= own) binStart[bin++] = token;
    }
    while (bin <= bins + 1) binStart[bin++] = tokens;

    /** Tokens that an item is behind: those with a smaller key, or an equal one and no later row. */
    const place = (key: number, item: number): number => {
      if (key < low) return 0;
      if (key > high) return tokens;
      const own = Math.floor((key - low) * scale);
      let from = binStart[own] as number;
      let to = binStart[own + 1] as number;
      while (from < to) {
        const middle = (from + to) >>> 1;
        const other = keys[middle] as number;
        if (other < key || (other === key && (rows[middle] as number) <= item)) from = middle + 1;
        else to = middle;
      }
      return from;
    };

    const gallery = steps.length / ORDERS;
    for (let item = 0; item < gallery; item++) {
      const oldKey = oldKeys[offset + item] as number;
      const newKey = newKeys[offset + item] as number;
      // Behind all matches whenever it moves: most of a gallery.
      if ((oldKey > high && newKey > high) || item === self) continue;
      const before = place(oldKey, item);
      const after = place(newKey, item);
      base[before] = (base[before] as number) + 1;
      if (before === after) continue;
      let from = before * CELLS;
      let to = after * CELLS;
      const end = (item + 1) * ORDERS;
      for (let k = item * ORDERS; k < end; k++) {
        const step = steps[k] as number;
        table[from + step] = (table[from + step] as number) - 1;
        table[to + step] = (table[to + step] as number) + 1;
        from += POINTS;
        to += POINTS;
      }
    }
  }

  /** Ranks from the table, figures from the ranks; leaves the table empty. */
  #read(tokens: number): void {
    const table = this.#table;
    const ahead = this.#ahead.fill(0);
    const found = this.#found.fill(0);
    const firstRank = this.#firstRank.fill(0);
    const sum = this.#sum.fill(0);
    let nearer = 0;
    for (let token = 0; token < tokens; token++) {
      nearer += this.#base[token] as number;
      const row = this.#rows[token] as number;
      const isNew = this.#isNew[token] === 1;
      for (let order = 0; order < ORDERS; order++) {
        const start = order * POINTS;
        const from = token * CELLS + start;
        let moved = 0;
        for (let step = 1; step < POINTS; step++) {
          moved += table[from + step] as number;
          ahead[start + step] = (ahead[start + step] as number) + moved;
        }
        const own = this.#steps[row * ORDERS + order] as number;
        const last = isNew ? POINTS : own;
        for (let step = isNew ? own : 0; step < last; step++) {
          const at = start + step;
          const rank = 1 + nearer + (ahead[at] as number);
          const position = (found[at] as number) + 1;
          found[at] = position;
          if (position === 1) firstRank[at] = rank;
          sum[at] = (sum[at] as number) + position / rank;
        }
      }
    }
    const matches = tokens / 2;
    for (let at = 0; at < CELLS; at++) {
      this.precision[at] = (this.precision[at] as number) + (sum[at] as number) / matches;
      this.#ks.forEach((k, index) => {
        if ((firstRank[at] as number) > k) return;
        const hits = this.hits[index] as Float64Array;
        hits[at] = (hits[at] as number) + 1;
      });
    }
    table.fill(0, 0, (tokens + 1) * CELLS);
    this.#base.fill(0, 0, tokens + 1);
  }
}

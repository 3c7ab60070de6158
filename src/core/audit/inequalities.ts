import { throwIfCancelled } from '../contract/errors.ts';
import type { Distance } from '../contract/report.ts';
import type { Progress } from '../contract/runs.ts';
import { createSession, type Session, type Tensor } from '../engine/session.ts';
import { type ClassPairFigures, ClassPairs } from './inequalityClassPairs.ts';
import { buildLossGraph, buildTileGraph, type TileGraph } from './inequalityGraph.ts';
import { type ClassOrder, orderByClass } from './inequalityOrder.ts';
import { ToleranceCounts, type ToleranceGrid, toleranceGrid } from './inequalityTolerances.ts';
import { exactDistances, type PairDifference, type Suspect, type TileSpan, WorstPairs } from './inequalityWorst.ts';
import type { PairSetup } from './pairSetup.ts';
import type { BlockReader, Matrix } from './vectors.ts';

export type { ClassPairFigures } from './inequalityClassPairs.ts';
export type { PairDifference } from './inequalityWorst.ts';

export interface InequalityInput {
  distance: Distance;
  /** Prepared (normalised for cosine), same columns, row i of both is query i of `setup`; `newQuery` under the dimension rule. */
  oldQuery: Matrix;
  newQuery: Matrix;
  /** The old gallery, same columns; read once, in order. */
  gallery: BlockReader;
  setup: PairSetup;
  /** At least one, each >= 0. The first is the strict one. */
  epsilons: readonly number[];
  /** How many worst pairs of each sign to list; 0: none. */
  worstPairs: number;
  classPairs: boolean;
  /** Count the violations of each gallery item. */
  byItem?: boolean;
  /** 0, step, 2 step, ... (2 to 255 of them): rates of the whole set at these as well. */
  tolerances?: readonly number[];
  threads: number | null;
}

/** Sums over the pairs of one sign, one entry a query, in the order of the queries. */
export interface SignedSums {
  pairs: Float64Array;
  /** One array per epsilon. */
  violations: Float64Array[];
  /** Sum (not mean) of the distance lost or gained the wrong way. */
  severity: Float64Array;
}

export interface InequalityFigures {
  positive: SignedSums;
  negative: SignedSums;
  /** Pairs that violate at the first epsilon: largest severity first, ties by query then gallery row. */
  worst: { positive: PairDifference[]; negative: PairDifference[] };
  /** At most 100, worst first; see `ClassPairs` for which and in what order. Empty unless asked for. */
  classPairs: ClassPairFigures[];
  /** Violations at the first epsilon, of both signs, of each gallery row; null unless asked for. */
  byItem: Float64Array | null;
  toleranceRates: { positive: number[]; negative: number[] } | null;
}

export interface InequalityHooks {
  progress: Progress;
  signal?: AbortSignal;
}

/** Gallery values held in class order at once (32 MB). */
const HELD_VALUES = 8_388_608;
/** Queries of a tile, and its pairs: about a million a call are fastest. */
const TILE_QUERIES = 512;
const TILE_PAIRS = 1_048_576;
const MAX_TILE_ROWS = 4096;
const BREATHE_MS = 100;

/**
 * The two inequalities of every query-gallery pair (metrics.md section 1; self pairs dropped).
 *
 * Queries, and the gallery part by part, are brought into class order and cut into tiles; one graph
 * multiplies and reduces a tile. Only tiles on the diagonal hold same-class pairs, and only those pay for
 * telling the signs apart, whatever the sizes of the classes. Cost: one matrix product (euclidean: two, in
 * double) and a few passes over each tile.
 *
 * Sums do not depend on block size or threads beyond rounding: a pair within about 1e-6 of a limit may
 * fall on either side of it. Memory beyond the input: below 150 MB.
 * @throws BackcompatError `cancelled`, and what the gallery's source throws
 */
export async function measureInequalities(input: InequalityInput, hooks: InequalityHooks): Promise<InequalityFigures> {
  const pass = new InequalityPass(input, hooks);
  try {
    return await pass.run();
  } finally {
    await pass.release();
  }
}

/**
 * The violations of the different-class pairs alone, at each epsilon, per query: about a fifth faster than all
 * figures, for a quick look at many models.
 * @returns one array per epsilon
 */
export async function countNegativeViolations(
  input: Omit<InequalityInput, 'worstPairs' | 'classPairs' | 'tolerances'>,
  hooks: InequalityHooks,
): Promise<Float64Array[]> {
  const pass = new InequalityPass({ ...input, worstPairs: 0, classPairs: false }, hooks, true);
  try {
    return (await pass.run()).negative.violations;
  } finally {
    await pass.release();
  }
}

/** A part of the gallery in class order. */
interface GalleryPart {
  rows: Matrix;
  order: ClassOrder;
  /** First gallery row. */
  start: number;
}

class InequalityPass {
  readonly #input: InequalityInput;
  readonly #hooks: InequalityHooks;
  readonly #countsOnly: boolean;
  readonly #queries: ClassOrder;
  readonly #tileQueries: number;
  readonly #tileRows: number;
  readonly #sums: Record<'positive' | 'negative', SignedSums>;
  readonly #worst: Record<'positive' | 'negative', WorstPairs> | null;
  readonly #classPairs: ClassPairs | null;
  readonly #groups: 'none' | 'query' | 'gallery';
  readonly #byItem: Float64Array | null;
  readonly #grid: ToleranceGrid | null;
  readonly #tolerances: Record<'positive' | 'negative', ToleranceCounts> | null;
  readonly #sessions = new Map<string, Session>();
  #donePairs = 0;
  #lastBreath = 0;

  constructor(input: InequalityInput, hooks: InequalityHooks, countsOnly = false) {
    this.#input = input;
    this.#hooks = hooks;
    this.#countsOnly = countsOnly;
    const { setup, epsilons, worstPairs, tolerances } = input;
    this.#queries = orderByClass(setup.queryLabel, 0, setup.queries, setup.classes);
    // Few queries: smaller tiles, or every tile would span all classes and so hold both signs.
    this.#tileQueries = Math.max(1, Math.min(TILE_QUERIES, Math.max(128, Math.ceil(setup.queries / 4))));
    this.#tileRows = Math.min(MAX_TILE_ROWS, Math.ceil(TILE_PAIRS / this.#tileQueries));
    this.#sums = { positive: emptySums(setup, epsilons.length), negative: emptySums(setup, epsilons.length) };
    for (let query = 0; query < setup.queries; query++) {
      const label = setup.queryLabel[query] as number;
      const sameClass = (setup.classStart[label + 1] as number) - (setup.classStart[label] as number);
      this.#sums.positive.pairs[query] = setup.matchCount[query] as number;
      this.#sums.negative.pairs[query] = setup.gallery - sameClass;
    }
    const floor = epsilons[0] ?? 0;
    this.#worst =
      worstPairs > 0
        ? {
            positive: new WorstPairs('positive', worstPairs, floor),
            negative: new WorstPairs('negative', worstPairs, floor),
          }
        : null;
    this.#classPairs = input.classPairs ? new ClassPairs(setup) : null;
    this.#groups = this.#chooseGroups();
    this.#byItem = input.byItem ? new Float64Array(setup.gallery) : null;
    this.#grid = tolerances ? toleranceGrid(tolerances) : null;
    this.#tolerances = this.#grid && {
      positive: new ToleranceCounts(this.#grid),
      negative: new ToleranceCounts(this.#grid),
    };
  }

  /** Which side of a tile has fewer classes to sum over: that product is the cheaper one. */
  #chooseGroups(): 'none' | 'query' | 'gallery' {
    const pairs = this.#classPairs;
    if (pairs === null || pairs.queryClasses === 0 || pairs.galleryClasses === 0) return 'none';
    const { setup } = this.#input;
    const classesOfQueries = (pairs.queryClasses * this.#tileQueries) / setup.queries;
    const held = Math.min(setup.gallery, this.#heldRows());
    const classesOfRows = (pairs.galleryClasses * Math.min(held, this.#tileRows)) / held;
    return classesOfQueries < classesOfRows ? 'query' : 'gallery';
  }

  #heldRows(): number {
    const { gallery, oldQuery, setup } = this.#input;
    const fitting = Math.max(1, Math.floor(HELD_VALUES / oldQuery.columns));
    // Whole blocks, so that none is read twice.
    const blocks = Math.max(1, Math.floor(fitting / gallery.blockRows));
    return Math.max(1, Math.min(setup.gallery, blocks * gallery.blockRows));
  }

  async run(): Promise<InequalityFigures> {
    const { setup, oldQuery } = this.#input;
    const { columns } = oldQuery;
    const held = this.#heldRows();
    const values = new Float32Array(held * columns);
    for (let start = 0; start < setup.gallery && setup.queries > 0; start += held) {
      const part = await this.#readPart(start, Math.min(setup.gallery, start + held), values);
      // One kind of tile after the other: threads of a session spin for a while after its last run, and so
      // two sessions in turn would take the cores from each other (measured: half the speed).
      for (const bothSigns of [false, true]) {
        for (let first = 0; first < setup.queries; first += this.#tileQueries) {
          await this.#measureQueries(part, first, Math.min(setup.queries, first + this.#tileQueries), bothSigns);
        }
      }
      if (this.#worst !== null) {
        await this.#inspect(part, 'positive', this.#worst.positive);
        await this.#inspect(part, 'negative', this.#worst.negative);
      }
    }
    const { positive, negative } = this.#sums;
    return {
      positive,
      negative,
      worst: { positive: this.#worst?.positive.pairs ?? [], negative: this.#worst?.negative.pairs ?? [] },
      classPairs:
        this.#classPairs?.worst({
          violations: positive.violations[0] ?? new Float64Array(setup.queries),
          severity: positive.severity,
        }) ?? [],
      byItem: this.#byItem,
      toleranceRates: this.#tolerances && {
        positive: this.#tolerances.positive.rates(total(positive.pairs)),
        negative: this.#tolerances.negative.rates(total(negative.pairs)),
      },
    };
  }

  async release(): Promise<void> {
    for (const session of this.#sessions.values()) await session.release();
    this.#sessions.clear();
  }

  async #readPart(start: number, end: number, values: Float32Array): Promise<GalleryPart> {
    const { gallery, setup } = this.#input;
    const { columns } = gallery.form;
    const order = orderByClass(setup.galleryLabel, start, end, setup.classes);
    for (let first = start; first < end; ) {
      await this.#breathe();
      const block = await gallery.read(first);
      const rows = Math.min(block.rows, end - first);
      for (let row = 0; row < rows; row++) {
        const position = order.positionOf[first - start + row] as number;
        values.set(block.values.subarray(row * columns, (row + 1) * columns), position * columns);
      }
      first += rows;
    }
    const count = end - start;
    return { rows: { rows: count, columns, values: values.subarray(0, count * columns) }, order, start };
  }

  /** The queries at the class-order positions [first, end) against one kind of tiles of a gallery part. */
  async #measureQueries(part: GalleryPart, first: number, end: number, bothSigns: boolean): Promise<void> {
    const { setup } = this.#input;
    const queryLabels = this.#queries.labelAt.subarray(first, end);
    const tiles = cutTiles(part.order.labelAt, queryLabels, this.#tileRows, bothSigns);
    if (tiles.length === 0) return;
    const positions = Int32Array.from({ length: end - first }, (_, i) => first + i);
    const queryFeeds = this.#queryFeeds(positions);
    const queryGroups = this.#groups === 'query' ? this.#groupQueries(queryLabels) : null;
    for (const tile of tiles) {
      await this.#breathe();
      const galleryLabels = part.order.labelAt.subarray(tile.start, tile.end);
      const groups = this.#groups === 'gallery' ? this.#groupRows(galleryLabels) : queryGroups;
      const session = await this.#tileSession(bothSigns, groups === null ? 'none' : this.#groups);
      const feeds: Record<string, Tensor> = { ...queryFeeds, gallery: tileTensor(part.rows, tile) };
      if (bothSigns) {
        feeds.queryLabel = { shape: [queryLabels.length, 1], data: queryLabels };
        feeds.galleryLabel = { shape: [1, galleryLabels.length], data: galleryLabels };
        if (!this.#countsOnly) feeds.selfPairs = this.#selfPairs(part, positions, tile);
      }
      if (groups !== null) feeds.groups = groups.matrix;
      const results = await session.run(feeds);
      const signs = bothSigns && !this.#countsOnly ? (['negative', 'positive'] as const) : (['negative'] as const);
      for (const sign of signs) {
        this.#addSums(sign, results[sign]?.data as Float32Array, first, end, tile);
        if (this.#byItem !== null) addByItem(results[`${sign}ByItem`]?.data as Float32Array, part, tile, this.#byItem);
        this.#tolerances?.[sign].add(results[`${sign}Codes`]?.data as Uint16Array);
      }
      if (groups !== null) this.#addGroups(results, groups.slots, queryLabels, galleryLabels);
      this.#donePairs += positions.length * galleryLabels.length;
    }
    this.#hooks.progress.update(this.#donePairs, setup.queries * setup.gallery, 'pairs');
  }

  /** Adds what a tile was reduced to: one row a query, columns as in `buildTileGraph`. */
  #addSums(sign: 'positive' | 'negative', reduced: Float32Array, first: number, end: number, tile: TileSpan): void {
    const { severity, violations } = this.#sums[sign];
    const { rowAt } = this.#queries;
    const width = reduced.length / (end - first);
    const targets = this.#countsOnly ? violations : [severity, ...violations];
    targets.forEach((sums, column) => {
      for (let position = first, from = column; position < end; position++, from += width) {
        const query = rowAt[position] as number;
        sums[query] = (sums[query] as number) + (reduced[from] as number);
      }
    });
    const worst = this.#worst?.[sign];
    if (worst === undefined) return;
    for (let position = first; position < end; position++) {
      worst.note(position, tile, reduced[(position - first + 1) * width - 1] as number);
    }
  }

  /** Positive pairs that are one item with itself, as (row, column) of the tile. */
  #selfPairs(part: GalleryPart, positions: Int32Array, tile: TileSpan): Tensor {
    const { selfOf } = this.#input.setup;
    const found: number[] = [];
    positions.forEach((position, i) => {
      const self = selfOf[this.#queries.rowAt[position] as number] as number;
      if (self < part.start || self >= part.start + part.rows.rows) return;
      const at = part.order.positionOf[self - part.start] as number;
      if (at >= tile.start && at < tile.end) found.push(i, at - tile.start);
    });
    return { shape: [found.length / 2, 2], data: BigInt64Array.from(found, BigInt) };
  }

  /** What a graph wants of the queries at these positions. */
  #queryFeeds(positions: Int32Array): Record<string, Tensor> {
    const { distance, oldQuery, newQuery } = this.#input;
    const { columns } = oldQuery;
    const shape = [positions.length, columns];
    const rows = Int32Array.from(positions, (position) => this.#queries.rowAt[position] as number);
    if (distance === 'euclidean') {
      return {
        oldQuery: { shape, data: gather(oldQuery, rows) },
        newQuery: { shape, data: gather(newQuery, rows) },
      };
    }
    const shift = gather(newQuery, rows);
    for (let i = 0; i < rows.length; i++) subtractRow(shift, i * columns, oldQuery, rows[i] as number);
    return { shift: { shape, data: shift } };
  }

  async #tileSession(bothSigns: boolean, groups: TileGraph['groups']): Promise<Session> {
    const { distance, oldQuery, epsilons } = this.#input;
    return this.#session(`${bothSigns} ${groups}`, () =>
      buildTileGraph({
        distance,
        columns: oldQuery.columns,
        epsilons,
        bothSigns,
        countsOnly: this.#countsOnly,
        maxima: this.#worst !== null,
        byItem: this.#byItem !== null,
        groups,
        tolerances: this.#grid,
      }),
    );
  }

  async #session(key: string, build: () => Uint8Array): Promise<Session> {
    let session = this.#sessions.get(key);
    if (session === undefined) {
      session = await createSession(build(), { threads: this.#input.threads });
      this.#sessions.set(key, session);
    }
    return session;
  }

  /** Rows of zeros and ones that sum queries by class; slots of the table, one a row. */
  #groupQueries(labels: Int32Array): Groups | null {
    const slotOf = this.#classPairs?.querySlot as Int32Array;
    const { slots, groupOf } = consecutiveSlots(labels, slotOf);
    if (slots.length === 0) return null;
    const data = new Float32Array(slots.length * labels.length);
    groupOf.forEach((group, i) => {
      if (group >= 0) data[group * labels.length + i] = 1;
    });
    return { slots, matrix: { shape: [slots.length, labels.length], data } };
  }

  /** Columns of zeros and ones that sum gallery items by class; slots of the table, one a column. */
  #groupRows(labels: Int32Array): Groups | null {
    const slotOf = this.#classPairs?.gallerySlot as Int32Array;
    const { slots, groupOf } = consecutiveSlots(labels, slotOf);
    if (slots.length === 0) return null;
    const data = new Float32Array(slots.length * labels.length);
    groupOf.forEach((group, i) => {
      if (group >= 0) data[i * slots.length + group] = 1;
    });
    return { slots, matrix: { shape: [labels.length, slots.length], data } };
  }

  #addGroups(
    results: Record<string, Tensor>,
    slots: readonly number[],
    queryLabels: Int32Array,
    galleryLabels: Int32Array,
  ): void {
    const classPairs = this.#classPairs as ClassPairs;
    const violations = results.groupViolations?.data as Float32Array;
    const severity = results.groupSeverity?.data as Float32Array;
    const byQuery = this.#groups === 'query';
    const rows = byQuery ? slots.length : queryLabels.length;
    const columns = byQuery ? galleryLabels.length : slots.length;
    for (let row = 0; row < rows; row++) {
      const querySlot = (byQuery ? slots[row] : classPairs.querySlot[queryLabels[row] as number]) as number;
      if (querySlot < 0) continue;
      for (let column = 0; column < columns; column++) {
        const gallerySlot = (
          byQuery ? classPairs.gallerySlot[galleryLabels[column] as number] : slots[column]
        ) as number;
        if (gallerySlot < 0) continue;
        const cell = row * columns + column;
        classPairs.add(querySlot, gallerySlot, violations[cell] as number, severity[cell] as number);
      }
    }
  }

  /** Finds the worst pairs of a part in the rows that its tiles pointed at. */
  async #inspect(part: GalleryPart, sign: 'positive' | 'negative', worst: WorstPairs): Promise<void> {
    const { distance, oldQuery, newQuery, setup } = this.#input;
    const queries = { old: oldQuery, new: newQuery };
    for (const [tile, suspects] of worst.takeSuspects()) {
      // The threshold rises as pairs are found.
      const left = suspects.filter((suspect: Suspect) => suspect.severity >= worst.threshold);
      for (let first = 0; first < left.length; first += this.#tileQueries) {
        await this.#breathe();
        const positions = Int32Array.from(left.slice(first, first + this.#tileQueries), ({ position }) => position);
        const session = await this.#session('loss', () => buildLossGraph(distance, oldQuery.columns));
        const { loss } = await session.run({
          ...this.#queryFeeds(positions),
          gallery: tileTensor(part.rows, tile),
        });
        worst.consider({
          loss: loss?.data as Float32Array,
          queries: Array.from(positions, (position) => this.#queries.rowAt[position] as number),
          columns: tile.end - tile.start,
          galleryRow: (column) => part.order.rowAt[tile.start + column] as number,
          counts: (query, column) => {
            const sameClass = setup.queryLabel[query] === part.order.labelAt[tile.start + column];
            if (sign === 'negative') return !sameClass;
            return sameClass && setup.selfOf[query] !== part.order.rowAt[tile.start + column];
          },
          distances: (query, column) => exactDistances(distance, queries, query, part.rows, tile.start + column),
        });
      }
    }
  }

  async #breathe(): Promise<void> {
    throwIfCancelled(this.#hooks.signal);
    const now = Date.now();
    if (now - this.#lastBreath < BREATHE_MS) return;
    this.#lastBreath = now;
    await this.#hooks.progress.breathe();
    throwIfCancelled(this.#hooks.signal);
  }
}

/** Adds what a tile counted for each of its gallery positions to the rows that lie there. */
function addByItem(counts: Float32Array, part: GalleryPart, tile: TileSpan, into: Float64Array): void {
  for (let k = 0; k < counts.length; k++) {
    const row = part.order.rowAt[tile.start + k] as number;
    into[row] = (into[row] as number) + (counts[k] as number);
  }
}

interface Groups {
  slots: readonly number[];
  matrix: Tensor;
}

/** The kept classes among ascending `labels`, numbered as they come; -1 for the others. */
function consecutiveSlots(labels: Int32Array, slotOf: Int32Array): { slots: number[]; groupOf: Int32Array } {
  const slots: number[] = [];
  const groupOf = labels.map((label) => {
    const slot = slotOf[label] as number;
    if (slot < 0) return -1;
    if (slots.at(-1) !== slot) slots.push(slot);
    return slots.length - 1;
  });
  return { slots, groupOf };
}

/**
 * Cuts the positions of a gallery part into spans of at most `longest`: those of the labels from the first to
 * the last of the queries' (`bothSigns`: same-class pairs may lie there), or all others. Both lists of labels ascend.
 */
function cutTiles(galleryLabels: Int32Array, queryLabels: Int32Array, longest: number, bothSigns: boolean): TileSpan[] {
  const from = firstAtLeast(galleryLabels, queryLabels[0] as number);
  const to = firstAtLeast(galleryLabels, (queryLabels.at(-1) as number) + 1);
  const spans = bothSigns ? [[from, to] as const] : [[0, from] as const, [to, galleryLabels.length] as const];
  const tiles: TileSpan[] = [];
  for (const [start, end] of spans) {
    // Of equal length: a short rest costs a call like a long one.
    const count = Math.ceil((end - start) / longest);
    for (let tile = 0; tile < count; tile++) {
      const at = (index: number) => start + Math.floor(((end - start) * index) / count);
      tiles.push({ start: at(tile), end: at(tile + 1) });
    }
  }
  return tiles;
}

/** First position whose label is at least `label`; the length when there is none. */
function firstAtLeast(labels: Int32Array, label: number): number {
  let low = 0;
  let high = labels.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((labels[middle] as number) < label) low = middle + 1;
    else high = middle;
  }
  return low;
}

function tileTensor({ columns, values }: Matrix, { start, end }: TileSpan): Tensor {
  return { shape: [end - start, columns], data: values.subarray(start * columns, end * columns) };
}

function subtractRow(from: Float32Array, start: number, { columns, values }: Matrix, row: number): void {
  const offset = row * columns;
  for (let k = 0; k < columns; k++) from[start + k] = (from[start + k] as number) - (values[offset + k] as number);
}

function gather(matrix: Matrix, rows: Int32Array): Float32Array {
  const { columns, values } = matrix;
  const gathered = new Float32Array(rows.length * columns);
  rows.forEach((row, i) => {
    gathered.set(values.subarray(row * columns, (row + 1) * columns), i * columns);
  });
  return gathered;
}

function emptySums(setup: PairSetup, epsilons: number): SignedSums {
  return {
    pairs: new Float64Array(setup.queries),
    violations: Array.from({ length: epsilons }, () => new Float64Array(setup.queries)),
    severity: new Float64Array(setup.queries),
  };
}

function total(values: Float64Array): number {
  return values.reduce((sum, value) => sum + value, 0);
}

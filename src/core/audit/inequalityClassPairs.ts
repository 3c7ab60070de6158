import type { PairSetup } from './pairSetup.ts';

/** The pairs between the queries of one class and the gallery items of another (or the same). */
export interface ClassPairFigures {
  sign: 'positive' | 'negative';
  queryClass: number;
  galleryClass: number;
  pairs: number;
  /** At the first epsilon. */
  violations: number;
  /** Mean over the pairs. */
  severity: number;
}

/** Class pairs listed at most. */
const LISTED = 100;
/** A class with fewer queries says nothing about the class. */
const MIN_QUERIES = 5;
/** Nor do fewer pairs. */
const MIN_PAIRS = 25;
/** Unviolated pairs added to each class pair in the ranking, so that small ones do not lead it by chance. */
const PRIOR_PAIRS = 100;
/** Cells of the table of sums: 16 bytes each. */
const MAX_CELLS = 4_000_000;
/** Classes of the smaller side that the table always has room for. */
const SIDE = 2000;

/**
 * Sums of violations and severity over (query class, gallery class).
 *
 * Listed are class pairs with at least 5 queries and 25 pairs, among the largest classes where there
 * are more than 4 million class pairs; ranked by mean severity as if 100 unviolated pairs were
 * added to each. Half of the list is kept for each sign as far as it has violations.
 */
export class ClassPairs {
  /** Row of the table by query class, column by gallery class; -1: not kept. */
  readonly querySlot: Int32Array;
  readonly gallerySlot: Int32Array;
  readonly #queryClasses: Int32Array;
  readonly #galleryClasses: Int32Array;
  readonly #violations: Float64Array;
  readonly #severity: Float64Array;
  readonly #queriesOf: Int32Array;
  readonly #setup: PairSetup;

  constructor(setup: PairSetup) {
    this.#setup = setup;
    const queriesOf = new Int32Array(setup.classes);
    for (const label of setup.queryLabel) queriesOf[label] = (queriesOf[label] as number) + 1;
    this.#queriesOf = queriesOf;
    const largest = queriesOf.reduce((most, count) => Math.max(most, count), 0);
    const galleryOf = (c: number) => (setup.classStart[c + 1] as number) - (setup.classStart[c] as number);
    const all = Array.from({ length: setup.classes }, (_, c) => c);
    let queryClasses = all.filter((c) => (queriesOf[c] as number) >= MIN_QUERIES);
    let galleryClasses = all.filter((c) => galleryOf(c) > 0 && galleryOf(c) * largest >= MIN_PAIRS);
    if (queryClasses.length * galleryClasses.length > MAX_CELLS) {
      queryClasses.sort((a, b) => (queriesOf[b] as number) - (queriesOf[a] as number) || a - b);
      galleryClasses.sort((a, b) => galleryOf(b) - galleryOf(a) || a - b);
      queryClasses = queryClasses.slice(0, Math.max(SIDE, Math.floor(MAX_CELLS / galleryClasses.length)));
      galleryClasses = galleryClasses.slice(0, Math.floor(MAX_CELLS / queryClasses.length));
      queryClasses.sort((a, b) => a - b);
      galleryClasses.sort((a, b) => a - b);
    }
    this.#queryClasses = Int32Array.from(queryClasses);
    this.#galleryClasses = Int32Array.from(galleryClasses);
    this.querySlot = new Int32Array(setup.classes).fill(-1);
    this.gallerySlot = new Int32Array(setup.classes).fill(-1);
    queryClasses.forEach((c, slot) => {
      this.querySlot[c] = slot;
    });
    galleryClasses.forEach((c, slot) => {
      this.gallerySlot[c] = slot;
    });
    this.#violations = new Float64Array(queryClasses.length * galleryClasses.length);
    this.#severity = new Float64Array(queryClasses.length * galleryClasses.length);
  }

  get queryClasses(): number {
    return this.#queryClasses.length;
  }

  get galleryClasses(): number {
    return this.#galleryClasses.length;
  }

  /** Adds negative pairs of a query slot and a gallery slot. */
  add(querySlot: number, gallerySlot: number, violations: number, severity: number): void {
    const cell = querySlot * this.#galleryClasses.length + gallerySlot;
    this.#violations[cell] = (this.#violations[cell] as number) + violations;
    this.#severity[cell] = (this.#severity[cell] as number) + severity;
  }

  /**
   * The worst class pairs, worst first.
   * @param positive violations (first epsilon) and severity of the same-class pairs, per query
   */
  worst(positive: { violations: Float64Array; severity: Float64Array }): ClassPairFigures[] {
    const { queryLabel, matchCount, classStart } = this.#setup;
    const negatives = new Ranking();
    this.#queryClasses.forEach((queryClass, row) => {
      this.#galleryClasses.forEach((galleryClass, column) => {
        if (queryClass === galleryClass) return;
        const size = (classStart[galleryClass + 1] as number) - (classStart[galleryClass] as number);
        const cell = row * this.#galleryClasses.length + column;
        negatives.offer(
          'negative',
          queryClass,
          galleryClass,
          (this.#queriesOf[queryClass] as number) * size,
          this.#violations[cell] as number,
          this.#severity[cell] as number,
        );
      });
    });
    const own = {
      pairs: new Float64Array(this.#setup.classes),
      violations: new Float64Array(this.#setup.classes),
      severity: new Float64Array(this.#setup.classes),
    };
    queryLabel.forEach((label, query) => {
      own.pairs[label] = (own.pairs[label] as number) + (matchCount[query] as number);
      own.violations[label] = (own.violations[label] as number) + (positive.violations[query] as number);
      own.severity[label] = (own.severity[label] as number) + (positive.severity[query] as number);
    });
    const positives = new Ranking();
    for (const c of this.#queryClasses) {
      positives.offer('positive', c, c, own.pairs[c] as number, own.violations[c] as number, own.severity[c] as number);
    }
    const room = LISTED - Math.min(LISTED / 2, negatives.listed.length);
    const chosen = positives.listed.slice(0, room);
    return [...chosen, ...negatives.listed.slice(0, LISTED - chosen.length)]
      .sort((a, b) => b.score - a.score)
      .map(({ figures }) => figures);
  }
}

/** The `LISTED` entries of highest score, highest first; earlier offers first on a tie. */
class Ranking {
  readonly listed: { score: number; figures: ClassPairFigures }[] = [];

  offer(
    sign: 'positive' | 'negative',
    queryClass: number,
    galleryClass: number,
    pairs: number,
    violations: number,
    severity: number,
  ): void {
    if (pairs < MIN_PAIRS || violations === 0) return;
    const score = severity / (pairs + PRIOR_PAIRS);
    const { listed } = this;
    if (listed.length === LISTED && score <= (listed[LISTED - 1]?.score ?? 0)) return;
    let position = listed.length;
    while (position > 0 && (listed[position - 1]?.score ?? 0) < score) position--;
    const figures = { sign, queryClass, galleryClass, pairs, violations, severity: severity / pairs };
    listed.splice(position, 0, { score, figures });
    if (listed.length > LISTED) listed.pop();
  }
}

/** Cells of the table that finds a value's tolerance; more cells, fewer comparisons. */
const CELLS = 1024;

/** Counts how many severities lie above each of several tolerances, from one histogram. */
export class ToleranceCounts {
  readonly #tolerances: Float64Array;
  readonly #first: number;
  readonly #scale: number;
  /** Tolerances that lie below the start of each cell: where the search begins. */
  readonly #below: Uint16Array;
  /** Entry k: values that exceed exactly k tolerances. */
  readonly #histogram: Float64Array;

  /** @param tolerances ascending, each >= 0, at most 65,535 */
  constructor(tolerances: readonly number[]) {
    // Rounded as the severities are, so that equal ones compare equal.
    this.#tolerances = Float64Array.from(tolerances, Math.fround);
    this.#first = this.#tolerances[0] ?? 0;
    const last = this.#tolerances.at(-1) ?? 0;
    this.#scale = last > this.#first ? CELLS / (last - this.#first) : 0;
    this.#below = new Uint16Array(CELLS + 1);
    for (let cell = 1; cell <= CELLS; cell++) {
      // One cell early: rounding of value * scale must not skip a tolerance.
      const start = this.#scale === 0 ? this.#first : this.#first + (cell - 1) / this.#scale;
      let below = this.#below[cell - 1] as number;
      while (below < tolerances.length && (this.#tolerances[below] as number) < start) below++;
      this.#below[cell] = below;
    }
    this.#histogram = new Float64Array(tolerances.length + 1);
  }

  add(severities: Float32Array): void {
    const tolerances = this.#tolerances;
    const count = tolerances.length;
    if (count === 0) return;
    const first = this.#first;
    const scale = this.#scale;
    const below = this.#below;
    const histogram = this.#histogram;
    for (let i = 0; i < severities.length; i++) {
      const value = severities[i] as number;
      if (value <= first) continue;
      let exceeded = below[Math.min(CELLS, (value - first) * scale) | 0] as number;
      while (exceeded < count && value > (tolerances[exceeded] as number)) exceeded++;
      histogram[exceeded] = (histogram[exceeded] as number) + 1;
    }
  }

  /** Share of `pairs` above each tolerance; 0 where there are no pairs. */
  rates(pairs: number): number[] {
    const rates = new Array<number>(this.#tolerances.length).fill(0);
    let above = 0;
    for (let k = rates.length - 1; k >= 0; k--) {
      above += this.#histogram[k + 1] as number;
      rates[k] = pairs === 0 ? 0 : above / pairs;
    }
    return rates;
  }
}

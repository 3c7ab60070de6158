import type { Progress } from '../../src/core/contract/runs.ts';

export const silent: Progress = { phase() {}, update() {}, log() {}, async breathe() {} };

/** Wall time, and processor time of all threads of this process. */
export interface Timing {
  seconds: number;
  cpu: number;
}

export async function timed<T>(work: () => Promise<T>): Promise<Timing & { result: T }> {
  const cpuBefore = process.cpuUsage();
  const start = performance.now();
  const result = await work();
  const seconds = (performance.now() - start) / 1000;
  const { user, system } = process.cpuUsage(cpuBefore);
  return { seconds, cpu: (user + system) / 1e6, result };
}

export function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] as number;
}

/** Median of the ratios of two series measured in turn: what slows both at once drops out. */
export function medianRatio(above: readonly number[], below: readonly number[]): number {
  return median(above.map((value, round) => value / (below[round] as number)));
}

/** Timings by name, one a round. */
export class Series {
  readonly #timings = new Map<string, Timing[]>();

  note(name: string, { seconds, cpu }: Timing): void {
    const known = this.#timings.get(name);
    if (known === undefined) this.#timings.set(name, [{ seconds, cpu }]);
    else known.push({ seconds, cpu });
  }

  get names(): string[] {
    return [...this.#timings.keys()];
  }

  seconds(name: string): number[] {
    return (this.#timings.get(name) ?? []).map(({ seconds }) => seconds);
  }

  cpu(name: string): number[] {
    return (this.#timings.get(name) ?? []).map(({ cpu }) => cpu);
  }
}

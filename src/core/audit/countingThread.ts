import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { BackcompatError } from '../contract/errors.ts';
import type { CountedSums, CountingPlan } from './retrievalCounter.ts';
import type { ScoredPart } from './retrievalScores.ts';

export type CountingRequest = { part: ScoredPart; keyOffsets: Float64Array } | 'finish';
export type CountingAnswer = 'ready' | { keys: Float32Array } | { sums: CountedSums };

/** The worker's bundle beside the running one; null when there is none, as in tests that run from source. */
export function bundledCountingWorker(): string | null {
  const file = fileURLToPath(new URL('./countingWorker.js', import.meta.url));
  return existsSync(file) ? file : null;
}

/** A thread that counts in rows of scores; one question at a time. */
export class CountingThread {
  readonly #worker: Worker;
  #waiting: { resolve(answer: CountingAnswer): void; reject(error: unknown): void } | null = null;
  #dead: BackcompatError | null = null;

  /**
   * @param workerFile bundle of countingWorker.ts
   * @returns null where no thread can start
   */
  static async start(plan: CountingPlan, workerFile: string): Promise<CountingThread | null> {
    try {
      const thread = new CountingThread(plan, workerFile);
      await thread.#answer();
      return thread;
    } catch {
      return null;
    }
  }

  private constructor(plan: CountingPlan, workerFile: string) {
    this.#worker = new Worker(workerFile, { workerData: plan, execArgv: [] });
    this.#worker.on('message', (answer: CountingAnswer) => {
      const waiting = this.#waiting;
      this.#waiting = null;
      waiting?.resolve(answer);
    });
    this.#worker.on('error', (cause) => {
      const message = cause instanceof Error ? cause.message : String(cause);
      this.#fail(new BackcompatError('internal', `A thread that counts distances failed: ${message}`, { cause }));
    });
    this.#worker.on('exit', (status) => {
      this.#fail(new BackcompatError('internal', `A thread that counts distances ended by itself (status ${status}).`));
    });
  }

  /**
   * Counts all queries of a part, whose keys are out of reach meanwhile.
   * @returns the keys
   */
  async count(part: ScoredPart, keyOffsets: Float64Array): Promise<Float32Array> {
    const transferred = [part.keys.buffer as ArrayBuffer];
    const answer = await this.#ask({ part, keyOffsets }, transferred);
    return (answer as { keys: Float32Array }).keys;
  }

  /** What was counted in all. */
  async sums(): Promise<CountedSums> {
    return ((await this.#ask('finish')) as { sums: CountedSums }).sums;
  }

  /** Ends the thread, whatever it does. */
  async close(): Promise<void> {
    await this.#worker.terminate();
  }

  #ask(request: CountingRequest, transferred: ArrayBuffer[] = []): Promise<CountingAnswer> {
    const answer = this.#answer();
    this.#worker.postMessage(request, transferred);
    return answer;
  }

  #answer(): Promise<CountingAnswer> {
    if (this.#dead !== null) return Promise.reject(this.#dead);
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
    });
  }

  #fail(error: BackcompatError): void {
    this.#dead ??= error;
    this.#waiting?.reject(this.#dead);
    this.#waiting = null;
  }
}

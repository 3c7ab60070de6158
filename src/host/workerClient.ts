import { CancellationTokenSource, ResponseError } from 'vscode-jsonrpc/node';
import { asBackcompatError, BackcompatError, cancelledError, throwIfCancelled } from '../core/contract/errors.ts';
import {
  methodTimeoutMs,
  type NumberedParams,
  UNKNOWN_PAIR,
  type WorkerErrorData,
  type WorkerMethod,
  type WorkerParams,
  type WorkerProgress,
  type WorkerResult,
} from '../protocol/worker.ts';
import type { Runtime } from './runtime.ts';
import { startWorker, type WorkerProcess } from './workerProcess.ts';

export interface WorkerClientOptions {
  /** How to start it, asked at each start: settings change. */
  runtime: () => Runtime;
  log: (line: string) => void;
  bootTimeoutMs?: number;
  /** The process ends after so long without a question. */
  idleMs?: number;
  /** Waits before the second and later starts after a failure: doubled each time up to the last. */
  backOffMs?: { first: number; last: number };
  timeoutMs?: Record<WorkerMethod, number>;
}

export interface AskOptions {
  signal?: AbortSignal;
  onProgress?: (progress: WorkerProgress) => void;
}

/** The pair behind a handle is no longer open: open it again. */
export class UnknownPairError extends BackcompatError {}

/** One that waits for an answer. */
interface Pending {
  onProgress: ((progress: WorkerProgress) => void) | undefined;
  /** Starts its time anew. */
  heard: () => void;
}

/**
 * Supervises the worker: starts it with the first question, again after it died, and lets it go when nobody asks.
 * Every question settles: with an answer, the worker's error, `cancelled`, or an error when the worker dies or keeps
 * silent for the method's time. A worker that keeps silent is stuck, and is ended.
 */
export class WorkerClient {
  readonly #options: Required<WorkerClientOptions>;
  #process: Promise<WorkerProcess> | null = null;
  readonly #pending = new Map<number, Pending>();
  #numbers = 0;
  /** Since the last question that was answered. */
  #failures = 0;
  #notBefore = 0;
  #idle: NodeJS.Timeout | undefined;
  #disposed = false;

  constructor(options: WorkerClientOptions) {
    this.#options = {
      bootTimeoutMs: 60_000,
      idleMs: 5 * 60_000,
      backOffMs: { first: 250, last: 30_000 },
      timeoutMs: methodTimeoutMs,
      ...options,
    };
  }

  /**
   * Asks the worker.
   * @throws BackcompatError the worker's own; `UnknownPairError`; `cancelled`; `internal` when it could not start, died or
   *   kept silent
   */
  async ask<M extends WorkerMethod>(
    method: M,
    params: WorkerParams<M>,
    { signal, onProgress }: AskOptions = {},
  ): Promise<WorkerResult<M>> {
    throwIfCancelled(signal);
    const request = ++this.#numbers;
    const source = new CancellationTokenSource();
    let timer: NodeJS.Timeout | undefined;
    let abort: (() => void) | undefined;
    clearTimeout(this.#idle);
    try {
      return await new Promise<WorkerResult<M>>((resolve, reject) => {
        abort = () => {
          source.cancel();
          reject(cancelledError());
        };
        signal?.addEventListener('abort', abort);
        this.#pending.set(request, { onProgress, heard: () => undefined });
        const send = async () => {
          const worker = await this.#running();
          if (signal?.aborted) throw cancelledError();
          const heard = () => {
            clearTimeout(timer);
            timer = setTimeout(() => {
              reject(silent(method, this.#options.timeoutMs[method]));
              source.cancel();
              worker.kill();
            }, this.#options.timeoutMs[method]);
          };
          heard();
          this.#pending.set(request, { onProgress, heard });
          void worker.gone.then(reject);
          const numbered: NumberedParams<M> = { request, params };
          try {
            resolve(await worker.connection.sendRequest(method, numbered, source.token));
            this.#failures = 0;
          } catch (error) {
            if (error instanceof ResponseError && isErrorData(error.data)) {
              this.#failures = 0;
              throw fromWorker(error);
            }
            // The channel broke: that the process is gone says more.
            throw await Promise.race([worker.gone, later(1000).then(() => asBackcompatError(error))]);
          }
        };
        send().catch(reject);
      });
    } finally {
      clearTimeout(timer);
      if (abort) signal?.removeEventListener('abort', abort);
      this.#pending.delete(request);
      source.dispose();
      if (this.#pending.size === 0) this.#startIdle();
    }
  }

  /** The process that answers now; null: none. */
  get pid(): Promise<number> | null {
    return this.#process?.then(({ pid }) => pid) ?? null;
  }

  dispose(): void {
    this.#disposed = true;
    clearTimeout(this.#idle);
    void this.#process?.then(
      (worker) => worker.stop(),
      () => undefined,
    );
  }

  #running(): Promise<WorkerProcess> {
    this.#process ??= this.#start();
    return this.#process;
  }

  async #start(): Promise<WorkerProcess> {
    try {
      await later(this.#notBefore - Date.now());
      if (this.#disposed) throw cancelledError();
      const { runtime, bootTimeoutMs, log } = this.#options;
      const worker = await startWorker(runtime(), { bootTimeoutMs, log });
      worker.onProgress((progress) => {
        this.#pending.get(progress.request)?.onProgress?.(progress);
        // It works on one question at a time: the others wait, and it is not stuck.
        for (const { heard } of this.#pending.values()) heard();
      });
      const own = this.#process;
      void worker.gone.then((reason) => {
        if (this.#process !== own) return;
        this.#process = null;
        if (!this.#disposed) this.#failed(reason);
      });
      if (this.#disposed) worker.stop();
      return worker;
    } catch (error) {
      this.#process = null;
      if (!this.#disposed) this.#failed(asBackcompatError(error));
      throw error;
    }
  }

  #failed(reason: BackcompatError): void {
    const { first, last } = this.#options.backOffMs;
    this.#failures++;
    this.#notBefore = Date.now() + Math.min(last, first * 2 ** (this.#failures - 1));
    this.#options.log(reason.message);
  }

  #startIdle(): void {
    clearTimeout(this.#idle);
    const process = this.#process;
    if (process === null || this.#disposed) return;
    this.#idle = setTimeout(() => {
      // Not a death: the next question starts another at once.
      this.#process = null;
      void process.then(
        (worker) => worker.stop(),
        () => undefined,
      );
    }, this.#options.idleMs);
    this.#idle.unref();
  }
}

function later(ms: number): Promise<void> {
  return ms <= 0 ? Promise.resolve() : new Promise((resolve) => setTimeout(resolve, ms));
}

function silent(method: WorkerMethod, timeoutMs: number): BackcompatError {
  const message = `The background process did not answer "${method}" within ${timeoutMs / 1000} s, and was ended.`;
  return new BackcompatError('internal', message, { remedy: 'Try again; a smaller question may do.' });
}

function isErrorData(data: unknown): data is WorkerErrorData {
  return typeof data === 'object' && data !== null && 'code' in data && typeof data.code === 'string';
}

function fromWorker({ code, message, data }: ResponseError<WorkerErrorData>): BackcompatError {
  const { code: ownCode, place, remedy } = data as WorkerErrorData;
  const details = { place, ...(remedy === null ? {} : { remedy }) };
  return code === UNKNOWN_PAIR
    ? new UnknownPairError(ownCode, message, details)
    : new BackcompatError(ownCode, message, details);
}

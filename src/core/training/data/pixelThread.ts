import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { BackcompatError, type ErrorCode, type Place } from '../../contract/errors.ts';
import type { PixelLoader, PixelSetup, PixelTask } from './pixelLoader.ts';

export type PixelRequest = { id: number; task: PixelTask } | 'close';
export type PixelAnswer =
  | { id: number; values: Float32Array; error?: undefined }
  | { id: number; error: { code: ErrorCode; message: string; place: Place; remedy: string | null } };

/** The worker's bundle beside the running one; null when there is none, as in tests that run from source. */
export function bundledPixelWorker(): string | null {
  const file = fileURLToPath(new URL('./pixelWorker.js', import.meta.url));
  return existsSync(file) ? file : null;
}

interface Waiting {
  resolve(values: Float32Array): void;
  reject(error: unknown): void;
}

/**
 * A loader in a thread of its own: ONNX Runtime blocks the thread that runs a step, and the next batches are made meanwhile.
 * @param workerFile bundle of pixelWorker.ts
 */
export function startPixelThread(setup: PixelSetup, workerFile: string): PixelLoader {
  const worker = new Worker(workerFile, { workerData: setup, execArgv: [] });
  const waiting = new Map<number, Waiting>();
  let nextId = 0;
  let dead: BackcompatError | null = null;
  const closed = new Promise<void>((resolve) => {
    worker.once('exit', (status) => {
      fail(new BackcompatError('internal', `The thread that decodes images ended by itself (status ${status}).`));
      resolve();
    });
  });
  // It keeps the process alive only while somebody waits for it.
  worker.unref();

  function fail(error: BackcompatError): void {
    dead ??= error;
    for (const { reject } of waiting.values()) reject(dead);
    waiting.clear();
  }

  worker.on('error', (cause) => {
    const message = cause instanceof Error ? cause.message : String(cause);
    fail(new BackcompatError('internal', `The thread that decodes images failed: ${message}`, { cause }));
  });
  worker.on('message', (answer: PixelAnswer) => {
    const waiter = waiting.get(answer.id);
    waiting.delete(answer.id);
    if (waiting.size === 0) worker.unref();
    if (answer.error === undefined) return waiter?.resolve(answer.values);
    const { code, message, place, remedy } = answer.error;
    waiter?.reject(new BackcompatError(code, message, { place, remedy: remedy ?? undefined }));
  });

  return {
    load(task) {
      if (dead !== null) return Promise.reject(dead);
      return new Promise((resolve, reject) => {
        const id = nextId++;
        waiting.set(id, { resolve, reject });
        worker.ref();
        worker.postMessage({ id, task } satisfies PixelRequest);
      });
    },
    async close() {
      if (dead === null) {
        worker.ref();
        worker.postMessage('close' satisfies PixelRequest);
      }
      await closed;
    },
  };
}

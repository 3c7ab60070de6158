import {
  type CancellationToken,
  createMessageConnection,
  IPCMessageReader,
  IPCMessageWriter,
  type MessageConnection,
  ResponseError,
} from 'vscode-jsonrpc/node';
import { asBackcompatError } from '../core/contract/errors.ts';
import type { AuditHooks } from '../core/pipeline/auditRequest.ts';
import {
  FAILED,
  type NumberedParams,
  PROGRESS,
  READY,
  UNKNOWN_PAIR,
  type WorkerErrorData,
  type WorkerMethod,
  type WorkerProgress,
} from '../protocol/worker.ts';
import { type Handler, type Handlers, makeHandlers } from './handlers.ts';
import { UnknownPair } from './openPairs.ts';

/** Progress is told no more often than this. */
const PROGRESS_INTERVAL_MS = 100;

/** Answers requests over the process's channel until it closes. */
export function serve(channel: NodeJS.Process): void {
  const connection = createMessageConnection(new IPCMessageReader(channel), new IPCMessageWriter(channel));
  const handlers = makeHandlers();
  for (const method of Object.keys(handlers) as WorkerMethod[]) register(connection, handlers, method);
  connection.listen();
  void connection.sendNotification(READY);
}

function register<M extends WorkerMethod>(connection: MessageConnection, handlers: Handlers, method: M): void {
  const handle: Handler<M> = handlers[method];
  connection.onRequest(method, async ({ request, params }: NumberedParams<M>, token: CancellationToken) => {
    const controller = new AbortController();
    const subscription = token.onCancellationRequested(() => controller.abort());
    try {
      return await handle(params, hooksFor(connection, request, controller.signal));
    } catch (error) {
      return responseError(error);
    } finally {
      subscription.dispose();
    }
  });
}

function hooksFor(connection: MessageConnection, request: number, signal: AbortSignal): AuditHooks {
  let latest: WorkerProgress = { request, phase: '', done: null, total: null, unit: null };
  let sent = Number.NEGATIVE_INFINITY;
  const send = (progress: WorkerProgress, always: boolean) => {
    latest = progress;
    if (!always && performance.now() - sent < PROGRESS_INTERVAL_MS) return;
    sent = performance.now();
    void connection.sendNotification(PROGRESS, progress);
  };
  return {
    signal,
    progress: {
      phase: (phase) => send({ request, phase, done: null, total: null, unit: null }, true),
      update: (done, total, unit) => send({ ...latest, done, total, unit }, false),
      log: () => undefined,
      // Arithmetic blocks the event loop; between blocks a cancellation gets through, and the host hears that it goes on.
      breathe: async () => {
        send(latest, false);
        await new Promise((resolve) => setImmediate(resolve));
      },
    },
  };
}

function responseError(thrown: unknown): ResponseError<WorkerErrorData> {
  const { code, message, place, remedy, stack } = asBackcompatError(thrown);
  // A defect: its stack is for the log.
  if (code === 'internal') process.stderr.write(`${(thrown as Error)?.stack ?? stack}\n`);
  return new ResponseError(thrown instanceof UnknownPair ? UNKNOWN_PAIR : FAILED, message, { code, place, remedy });
}

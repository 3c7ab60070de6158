import { inspect } from '../core/models/inspect.ts';
import type { AuditHooks } from '../core/pipeline/auditRequest.ts';
import type { WorkerMethod, WorkerParams, WorkerResult } from '../protocol/worker.ts';
import { OpenPairs } from './openPairs.ts';

export type Handler<M extends WorkerMethod> = (params: WorkerParams<M>, hooks: AuditHooks) => Promise<WorkerResult<M>>;
export type Handlers = { [M in WorkerMethod]: Handler<M> };

/** What the worker does for each method. */
export function makeHandlers(): Handlers {
  const pairs = new OpenPairs();
  return {
    inspect: ({ file }) => inspect(file),
    openPair: ({ subject, threads }, hooks) => pairs.open(subject, threads, hooks),
    neighbours: ({ handle, query, k }, hooks) => pairs.use(handle, (pair) => pair.neighbours(query, k, hooks)),
    queries: ({ handle, ...question }, hooks) => pairs.use(handle, (pair) => pair.queries(question, hooks)),
    thumbnails: ({ handle, ids }, hooks) => pairs.use(handle, (pair) => pair.previews(ids, hooks)),
    close: async ({ handle }) => {
      await pairs.close(handle);
      return null;
    },
  } satisfies Handlers;
}

/** The entry of a thread that counts in rows of scores (see countingThread.ts). */
import { parentPort, workerData } from 'node:worker_threads';
import type { CountingAnswer, CountingRequest } from './countingThread.ts';
import { type CountingPlan, RetrievalCounter } from './retrievalCounter.ts';

const port = parentPort;
if (port === null) throw new Error('This file is the entry of a thread.');
const counter = new RetrievalCounter(workerData as CountingPlan);
const answer = (message: CountingAnswer, transferred: ArrayBuffer[] = []) => port.postMessage(message, transferred);

port.on('message', (request: CountingRequest) => {
  if (request === 'finish') {
    answer({ sums: counter.sums });
    return;
  }
  const { part, keyOffsets } = request;
  counter.count(part, keyOffsets, part.start, part.start + part.size);
  answer({ keys: part.keys }, [part.keys.buffer as ArrayBuffer]);
});
answer('ready');

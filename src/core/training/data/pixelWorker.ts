/** The entry of the thread that decodes and varies images while the model trains (see pixelThread.ts). */
import { parentPort, workerData } from 'node:worker_threads';
import { asBackcompatError } from '../../contract/errors.ts';
import { createPixelLoader, type PixelSetup } from './pixelLoader.ts';
import type { PixelAnswer, PixelRequest } from './pixelThread.ts';

const port = parentPort;
if (port === null) throw new Error('This file is the entry of a thread.');
const loader = createPixelLoader(workerData as PixelSetup);

port.on('message', (request: PixelRequest) => {
  if (request === 'close') {
    void loader.close().finally(() => port.close());
    return;
  }
  const answer = (message: PixelAnswer, transferred: ArrayBuffer[] = []) => port.postMessage(message, transferred);
  loader.load(request.task).then(
    (values) => answer({ id: request.id, values }, [values.buffer as ArrayBuffer]),
    (cause) => {
      const { code, message, place, remedy } = asBackcompatError(cause);
      answer({ id: request.id, error: { code, message, place, remedy } });
    },
  );
});

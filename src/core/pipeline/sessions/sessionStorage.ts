import type { GallerySession } from '../../continual/classCentres.ts';
import type { SessionStorage } from '../../contract/sessions.ts';
import type { SessionTask } from './sessionTask.ts';

/** @param galleries all so far */
export function storageOf(
  { run, planned, session, isJoint }: SessionTask,
  galleries: readonly GallerySession[],
  exemplars: Int32Array,
): SessionStorage {
  const { replay } = planned.options;
  // The present session's items are there anyway, until it is over.
  const earlier = run.sessions.slice(0, session).flatMap(({ own }) => [...own]);
  const replayed = isJoint ? earlier : replay === 'images' ? [...exemplars] : [];
  const content = contentBytes(run.start.inputsOf(run.items, null));
  return {
    replayedItems: replayed.length,
    replayedVectors: replay === 'features' ? exemplars.length : 0,
    galleryVectors: galleries.reduce((sum, { items }) => sum + items.length, 0),
    bytes:
      galleries.reduce((sum, { vectors }) => sum + vectors.byteLength, 0) +
      replayed.reduce((sum, item) => sum + content(item), 0),
  };
}

/** Of an item: pixels as the model takes them, a byte each, or its text. */
function contentBytes(inputs: ReturnType<SessionTask['run']['start']['inputsOf']>): (item: number) => number {
  if (inputs.kind === 'texts') return (item) => Buffer.byteLength(inputs.texts.text(item));
  if (inputs.kind === 'vectors') return () => 4 * inputs.vectors.dimension;
  const { height, width, channels } = inputs.preprocessing;
  return () => height * width * channels;
}

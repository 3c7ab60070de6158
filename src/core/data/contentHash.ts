import type { Hash } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';
import { BackcompatError, throwIfCancelled } from '../contract/errors.ts';
import { hashFile, openFile, readFully } from './files.ts';
import type { ImageContent, ImageSource, ItemSet, TextContent } from './itemSet.ts';

/** Raw images that lie behind one another are read together, up to this. */
const RAW_BLOCK_BYTES = 2 ** 22;

/**
 * Feeds the content of all items, in order, to a hash: pixels of raw images, bytes of image files, or texts.
 * Ids and labels do not count: the same pictures give the same vectors. Every byte is read, which
 * costs about a second for a gigabyte; modification times would be cheaper and would lie after a checkout.
 */
export async function hashContent(
  hash: Hash,
  items: ItemSet,
  between: { signal?: AbortSignal; breathe?: () => Promise<void> } = {},
): Promise<void> {
  const { images, texts } = items;
  if (texts !== undefined) return hashTexts(hash, items.count, texts, between);
  if (images === null) {
    throw new BackcompatError('bad-data', `${items.name} has no content: only vectors can stand for its items.`);
  }
  // Parts of a split lie scattered over one file: it is opened once.
  let opened: { path: string; handle: FileHandle } | null = null;
  const handleOf = async (path: string): Promise<FileHandle> => {
    if (opened?.path === path) return opened.handle;
    await opened?.handle.close();
    opened = null;
    const { handle } = await openFile(path, 'The image file');
    opened = { path, handle };
    return handle;
  };
  try {
    for (let item = 0, steps = 1; item < items.count; steps++) {
      throwIfCancelled(between.signal);
      const source = images.source(item);
      if (source.kind === 'file') {
        hash.update('file\n');
        await hashFile(hash, source.path, 'The image');
        item++;
      } else {
        const end = endOfRun(images, item, items.count, source);
        const imageBytes = source.width * source.height;
        const bytes = new Uint8Array((end - item) * imageBytes);
        if (!(await readFully(await handleOf(source.path), bytes, source.offset))) throw shortFile(source.path);
        for (; item < end; item++) {
          hash.update(`raw ${source.width} ${source.height}\n`);
          hash.update(
            bytes.subarray(bytes.length - (end - item) * imageBytes, bytes.length - (end - item - 1) * imageBytes),
          );
        }
      }
      if (steps % 256 === 0) await between.breathe?.();
    }
  } finally {
    await (opened as { handle: FileHandle } | null)?.handle.close();
  }
}

async function hashTexts(
  hash: Hash,
  count: number,
  texts: TextContent,
  { signal, breathe }: { signal?: AbortSignal; breathe?: () => Promise<void> },
): Promise<void> {
  for (let item = 0; item < count; item++) {
    const bytes = Buffer.from(texts.text(item));
    hash.update(`text ${bytes.length}\n`);
    hash.update(bytes);
    if (item % 4096 !== 0) continue;
    throwIfCancelled(signal);
    await breathe?.();
  }
}

/** The item behind the last of those that lie one behind another in a file, with the same size. */
function endOfRun(images: ImageContent, item: number, count: number, first: ImageSource & { kind: 'raw' }): number {
  const imageBytes = first.width * first.height;
  let end = item + 1;
  while (end < count && (end - item + 1) * imageBytes <= RAW_BLOCK_BYTES) {
    const next = images.source(end);
    if (next.kind !== 'raw' || next.path !== first.path) break;
    if (next.offset !== first.offset + (end - item) * imageBytes) break;
    if (next.width !== first.width || next.height !== first.height) break;
    end++;
  }
  return end;
}

export function shortFile(path: string): BackcompatError {
  return new BackcompatError('bad-file', `${path} became shorter while it was read.`, { place: { file: path } });
}

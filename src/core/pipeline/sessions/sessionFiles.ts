import { readFile } from 'node:fs/promises';
import path from 'node:path';
import type { GallerySession } from '../../continual/classCentres.ts';
import { BackcompatError } from '../../contract/errors.ts';
import { SESSIONS_FILES, type SessionResult } from '../../contract/sessions.ts';
import { openNpy, writeNpy } from '../../data/npy.ts';
import { vectorsInMemory } from '../../data/vectorSource.ts';
import { writeFileAtomic } from '../../runs/atomicFile.ts';
import { readState, writeState } from '../../training/loop/states/stateFile.ts';
import type { TrainerState } from '../../training/trainer.ts';

/** Weights by name. */
export type Tensors = TrainerState['tensors'];

export async function writeJson(file: string, value: unknown): Promise<void> {
  await writeFileAtomic(file, `${JSON.stringify(value, null, 2)}\n`);
}

/** What a session came to; null while it is not done. @throws BackcompatError `bad-file` */
export async function readResult(folder: string): Promise<SessionResult | null> {
  const file = path.join(folder, SESSIONS_FILES.result);
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null;
    throw error;
  });
  return text === null ? null : (parsed(file, text) as SessionResult);
}

/** Indices of the items kept for replay, from their ids. */
export async function readExemplars(folder: string, indexOf: ReadonlyMap<string, number>): Promise<Int32Array> {
  const file = path.join(folder, SESSIONS_FILES.exemplars);
  const ids = parsed(file, await readFile(file, 'utf8')) as string[];
  return Int32Array.from(ids, (id) => {
    const index = indexOf.get(id);
    if (index === undefined) throw damaged(file, `it names ${JSON.stringify(id)}, which the data have not`);
    return index;
  });
}

export async function writeVectors(file: string, vectors: Float32Array, dimension: number): Promise<void> {
  await writeNpy(file, vectorsInMemory(path.basename(file), vectors, dimension));
}

export async function readVectors(file: string): Promise<{ vectors: Float32Array; dimension: number }> {
  const source = await openNpy(file);
  try {
    const vectors = new Float32Array(source.count * source.dimension);
    await source.read(0, source.count, vectors);
    return { vectors, dimension: source.dimension };
  } finally {
    await source.close();
  }
}

/** The gallery that a session left. @param labelOf of all items of the run */
export async function readGallery(folder: string, items: Int32Array, labelOf: Int32Array): Promise<GallerySession> {
  const file = path.join(folder, SESSIONS_FILES.gallery);
  const { vectors, dimension } = await readVectors(file);
  if (vectors.length !== items.length * dimension) {
    throw damaged(file, `it has ${vectors.length / dimension} vectors for ${items.length} items`);
  }
  return { items, labelOf: items.map((item) => labelOf[item] as number), vectors, dimension };
}

/** @param identity of the run */
export async function writeTensors(file: string, identity: string, tensors: Tensors): Promise<void> {
  await writeState(file, identity, { trainer: { step: 0, tensors }, extra: null });
}

export async function readTensors(file: string): Promise<Tensors> {
  return (await readState(file)).state.trainer.tensors;
}

function parsed(file: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw damaged(file, 'it is not JSON');
  }
}

function damaged(file: string, problem: string): BackcompatError {
  return new BackcompatError('bad-file', `${file} is damaged: ${problem}.`, {
    place: { file },
    remedy: 'Remove the folder of that session and of those after it, then resume the run.',
  });
}

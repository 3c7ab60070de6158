import type { Hash } from 'node:crypto';
import { BackcompatError } from '../contract/errors.ts';
import { hashFile } from '../data/files.ts';
import { createSession, type Session } from '../engine/session.ts';
import { createTfjsSession } from '../engine/tfjsSession.ts';
import { readOnnxFile } from './onnxFile.ts';
import { readShards, readTfjsFile } from './tfjsFile.ts';

/** A model file that was checked and loaded; how items go in is decided by others. */
export interface LoadedModel {
  kind: 'onnx' | 'tfjs-layers' | 'tfjs-graph';
  /** Absolute. */
  file: string;
  session: Session;
  notes: string[];
  /** Items a run that memory allows; null: no matter. */
  largestBatch: number | null;
  /** Feeds every byte that the model consists of. */
  hash(hash: Hash): Promise<void>;
}

/** WebAssembly has 2 GiB for everything, and gains nothing by larger runs. */
const TFJS_BATCH = 16;

/**
 * Checks a model file and what it refers to, then loads it.
 * @throws BackcompatError `not-found`, `bad-file`, `bad-model`
 */
export async function loadModel(file: string, threads: number | null): Promise<LoadedModel> {
  return /\.json$/i.test(file) ? loadTfjs(file, threads) : loadOnnx(file, threads);
}

async function loadOnnx(file: string, threads: number | null): Promise<LoadedModel> {
  const { externalData } = await readOnnxFile(file);
  let session: Session;
  try {
    session = await createSession(file, { threads });
  } catch (cause) {
    throw new BackcompatError('bad-model', `${file} cannot be loaded by ONNX Runtime: ${firstLine(cause)}`, {
      place: { file },
      remedy: 'Check the file with onnx.checker, or export it again with a current exporter.',
      cause,
    });
  }
  return {
    kind: 'onnx',
    file,
    session,
    notes: [],
    largestBatch: null,
    hash: (hash) => hashFiles(hash, file, externalData),
  };
}

async function loadTfjs(file: string, threads: number | null): Promise<LoadedModel> {
  const declared = await readTfjsFile(file);
  const { kind, topology, signature, weightSpecs, shards } = declared;
  try {
    const weightData = await readShards(declared);
    const session = await createTfjsSession({ kind, topology, signature, weightSpecs, weightData }, threads);
    return {
      kind,
      file,
      session,
      notes: session.complaint === null ? [] : [session.complaint],
      largestBatch: session.backend === 'tensorflow' ? null : TFJS_BATCH,
      hash: (hash) => hashFiles(hash, file, shards),
    };
  } catch (cause) {
    if (cause instanceof BackcompatError) throw cause;
    throw new BackcompatError('bad-model', `${file} cannot be loaded by TensorFlow.js: ${firstLine(cause)}`, {
      place: { file },
      remedy: 'Convert the model again with tensorflowjs_converter, or export it to ONNX.',
      cause,
    });
  }
}

async function hashFiles(hash: Hash, file: string, others: readonly { path: string; bytes: number }[]): Promise<void> {
  await hashFile(hash, file, 'The model');
  for (const other of others) {
    hash.update(`\n${other.bytes}\n`);
    await hashFile(hash, other.path, 'The file');
  }
}

/** Of an error of a library, what fits into a sentence. */
export function firstLine(cause: unknown): string {
  const message = cause instanceof Error ? cause.message : String(cause);
  return (message.split('\n')[0] as string).slice(0, 400);
}

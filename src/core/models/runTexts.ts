import type { Session, Tensor } from '../engine/session.ts';
import { firstLine } from './loadedModel.ts';
import { asFloat32, badRun, vectorsOf } from './runModel.ts';
import type { Pooling, TextModel } from './textModel.ts';

const REMEDY = 'Check "maxTokens" and "output", or export the model again with dynamic axes.';

export interface TextRun {
  padId: number;
  /** Whether vectors are brought to length 1. */
  normalises: boolean;
}

/** Makes a model's inputs of texts given by their tokens: padded behind to the longest, or to what the model is fixed at. */
export type TextFeeds = (texts: readonly Int32Array[]) => Record<string, IntegerTensor>;

export interface IntegerTensor {
  readonly shape: readonly number[];
  readonly data: Int32Array | BigInt64Array;
}

export function textFeeds(model: TextModel, padId: number): TextFeeds {
  const integers = (count: number): BigInt64Array | Int32Array =>
    model.inputType === 'int64' ? new BigInt64Array(count) : new Int32Array(count);
  return (texts) => {
    const tokens = model.fixedTokens ?? Math.max(...texts.map((ids) => ids.length));
    const shape = [texts.length, tokens];
    const made = { ids: integers(texts.length * tokens), mask: integers(texts.length * tokens) };
    const positions = integers(texts.length * tokens);
    const number = (value: number) => (model.inputType === 'int64' ? BigInt(value) : value) as never;
    made.ids.fill(number(padId));
    for (const [row, ids] of texts.entries()) {
      for (let i = 0; i < tokens; i++) positions[row * tokens + i] = number(i);
      for (let i = 0; i < ids.length; i++) {
        made.ids[row * tokens + i] = number(ids[i] as number);
        made.mask[row * tokens + i] = number(1);
      }
    }
    const feeds: Record<string, IntegerTensor> = { [model.ids]: { shape, data: made.ids } };
    if (model.mask !== null) feeds[model.mask] = { shape, data: made.mask };
    if (model.types !== null) feeds[model.types] = { shape, data: integers(texts.length * tokens) };
    if (model.positions !== null) feeds[model.positions] = { shape, data: positions };
    return feeds;
  };
}

/**
 * Runs a text model on the token ids of any number of texts.
 * @returns count x dimension
 */
export function textRunner(session: Session, model: TextModel, { padId, normalises }: TextRun, file: string) {
  const feedsOf = textFeeds(model, padId);

  async function runOnce(texts: readonly Int32Array[]): Promise<Float32Array> {
    const feeds = feedsOf(texts);
    const tokens = feeds[model.ids]?.shape[1] as number;
    let result: Tensor | undefined;
    try {
      result = (await session.run(feeds, [model.output]))[model.output];
    } catch (cause) {
      const what = `${texts.length} text${texts.length > 1 ? 's' : ''} of ${tokens} tokens`;
      throw badRun(file, `fails on ${what}: ${firstLine(cause)}`, REMEDY, cause);
    }
    const isTokens = result?.shape.length === 3 && result.shape[0] === texts.length && result.shape[1] === tokens;
    const vectors =
      result !== undefined && isTokens
        ? pooled(result, texts, model.pooling ?? 'mean')
        : vectorsOf(result, model.output, texts.length, file, REMEDY);
    if (normalises) normalise(vectors, vectors.length / texts.length);
    return vectors;
  }

  return async (texts: readonly Int32Array[]): Promise<Float32Array> => {
    const size = model.fixedBatch ?? texts.length;
    let vectors: Float32Array | null = null;
    for (let start = 0; start < texts.length; start += size) {
      const part = texts.slice(start, start + size);
      // Repeats of a real text fill the last run of a model with a fixed batch.
      const padded = Array.from({ length: size }, (_, index) => part[index % part.length] as Int32Array);
      const result = await runOnce(padded);
      const dimension = result.length / size;
      vectors ??= new Float32Array(texts.length * dimension);
      vectors.set(result.subarray(0, part.length * dimension), start * dimension);
    }
    return vectors ?? new Float32Array(0);
  };
}

/**
 * One vector a text from those of its tokens, [texts, tokens, d]: the first, or the mean over its own tokens, padding
 * left out ("Sentence-BERT", Reimers and Gurevych, EMNLP 2019, section 3).
 */
function pooled(result: Tensor, texts: readonly Int32Array[], pooling: Pooling): Float32Array {
  const values = asFloat32(result.data);
  const [, tokens, dimension] = result.shape as [number, number, number];
  const vectors = new Float32Array(texts.length * dimension);
  for (const [row, ids] of texts.entries()) {
    const start = row * tokens * dimension;
    if (pooling === 'cls') {
      vectors.set(values.subarray(start, start + dimension), row * dimension);
      continue;
    }
    for (let k = 0; k < dimension; k++) {
      let sum = 0;
      for (let token = 0; token < ids.length; token++) sum += values[start + token * dimension + k] as number;
      vectors[row * dimension + k] = sum / ids.length;
    }
  }
  return vectors;
}

function normalise(vectors: Float32Array, dimension: number): void {
  for (let start = 0; start < vectors.length; start += dimension) {
    const row = vectors.subarray(start, start + dimension);
    const length = Math.sqrt(row.reduce((sum, value) => sum + value * value, 0));
    // Zeros stay zeros: they are told with the item's name.
    for (let k = 0; k < dimension; k++) row[k] = (row[k] as number) / (length || 1);
  }
}

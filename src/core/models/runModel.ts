import { BackcompatError } from '../contract/errors.ts';
import { fromFloat16, toFloat16 } from '../data/float16.ts';
import type { Session, Tensor } from '../engine/session.ts';
import type { ImageModel } from './imageModel.ts';
import { firstLine } from './loadedModel.ts';

export function badRun(file: string, what: string, remedy: string, cause?: unknown): BackcompatError {
  return new BackcompatError('bad-model', `${file}: the model ${what}.`, { place: { file }, remedy, cause });
}

const IMAGE_REMEDY = 'Check "preprocess" and "output", or export the model again with a dynamic batch.';

/**
 * Runs an image model on any number of inputs ([count, ...] row-major), in pieces where its batch is fixed.
 * @returns count x dimension
 */
export function imageRunner(session: Session, model: ImageModel, file: string) {
  const { height, width, channels, layout } = model.preprocessing;
  const shape = layout === 'nchw' ? [channels, height, width] : [height, width, channels];
  const imageValues = height * width * channels;

  async function runOnce(inputs: Float32Array, count: number): Promise<Float32Array> {
    const data = model.inputType === 'float16' ? Uint16Array.from(inputs, toFloat16) : inputs;
    let result: Tensor | undefined;
    try {
      const results = await session.run({ [model.input]: { shape: [count, ...shape], data } }, [model.output]);
      result = results[model.output];
    } catch (cause) {
      const images = `${count} image${count > 1 ? 's' : ''} of [${shape.join(', ')}]`;
      throw badRun(file, `fails on ${images}: ${firstLine(cause)}`, IMAGE_REMEDY, cause);
    }
    return vectorsOf(result, model.output, count, file, IMAGE_REMEDY);
  }

  return async (inputs: Float32Array, count: number): Promise<Float32Array> => {
    const fixed = model.fixedBatch;
    if (fixed === null) return runOnce(inputs, count);
    let vectors: Float32Array | null = null;
    for (let start = 0; start < count; start += fixed) {
      const size = Math.min(fixed, count - start);
      const part = inputs.subarray(start * imageValues, (start + size) * imageValues);
      let padded = part;
      if (size < fixed) {
        // Repeats of a real image: some models give NaN for zeros, and normalise over the batch by no means.
        padded = new Float32Array(fixed * imageValues);
        for (let i = 0; i < fixed; i++) {
          padded.set(part.subarray((i % size) * imageValues, ((i % size) + 1) * imageValues), i * imageValues);
        }
      }
      const result = await runOnce(padded, fixed);
      const dimension = result.length / fixed;
      vectors ??= new Float32Array(count * dimension);
      vectors.set(result.subarray(0, size * dimension), start * dimension);
    }
    return vectors ?? new Float32Array(0);
  };
}

/** An output that holds one vector an item, [count, d] with axes of 1 behind, as float32. */
export function vectorsOf(
  result: Tensor | undefined,
  output: string,
  count: number,
  file: string,
  remedy: string,
): Float32Array {
  if (result === undefined) throw badRun(file, `gave no output ${JSON.stringify(output)}`, remedy);
  const [batch, ...rest] = result.shape;
  if (batch !== count || rest.filter((size) => size !== 1).length > 1 || result.data.length === 0) {
    throw badRun(
      file,
      `gave ${JSON.stringify(output)} of shape [${result.shape.join(', ')}] for ${count} items, not one vector an item`,
      remedy,
    );
  }
  return asFloat32(result.data);
}

export function asFloat32(data: Tensor['data']): Float32Array {
  if (data instanceof Float32Array) return data;
  // Half precision comes as bits on Node 20 and as Float16Array on newer versions.
  if (data instanceof Uint16Array) return Float32Array.from(data, fromFloat16);
  return Float32Array.from(data as Float64Array);
}

import { createRequire } from 'node:module';
import type * as ort from 'onnxruntime-node';

/** What a session reads and gives back: row-major values and their shape. */
export interface Tensor {
  readonly shape: readonly number[];
  readonly data: Float32Array | Float64Array | Int32Array | BigInt64Array | Uint8Array | Uint16Array;
}

/** Name, element type and shape of an input or output as the model declares it; null: not declared. */
export interface Signature {
  name: string;
  type: string;
  shape: readonly (number | string | null)[];
}

export interface Session {
  readonly inputs: readonly Signature[];
  readonly outputs: readonly Signature[];
  /**
   * Runs the graph once. **Blocks the event loop** until it is done, whatever the promise says.
   * Feeds must not share memory with tensors of an earlier result that is still in use as a fetch.
   * @param fetches names of the outputs to compute; default all
   */
  run(feeds: Record<string, Tensor>, fetches?: readonly string[]): Promise<Record<string, Tensor>>;
  release(): Promise<void>;
}

export interface SessionOptions {
  /** Threads of one operator; null: one a core. */
  threads?: number | null;
}

let loaded: typeof ort | null = null;
/** The native library is loaded at first use, so that what never computes never pays for it. */
function runtime(): typeof ort {
  loaded ??= createRequire(import.meta.url)('onnxruntime-node') as typeof ort;
  return loaded;
}

const typeOfArray = new Map<unknown, string>([
  [Float32Array, 'float32'],
  [Float64Array, 'float64'],
  [Int32Array, 'int32'],
  [BigInt64Array, 'int64'],
  [Uint8Array, 'bool'],
  [Uint16Array, 'float16'],
]);

/**
 * Loads a model from its bytes or its path; external data needs the path.
 * Errors of ONNX Runtime pass through as they are: the caller knows which file to name.
 */
export async function createSession(model: Uint8Array | string, options: SessionOptions = {}): Promise<Session> {
  const { InferenceSession, Tensor: OrtTensor } = runtime();
  const settings: ort.InferenceSession.SessionOptions = {
    logSeverityLevel: 4,
    ...(options.threads ? { intraOpNumThreads: options.threads } : {}),
  };
  const session =
    typeof model === 'string'
      ? await InferenceSession.create(model, settings)
      : await InferenceSession.create(model, settings);

  const signatures = (metadata: readonly ort.InferenceSession.ValueMetadata[]): Signature[] =>
    metadata.map((value) => ({
      name: value.name,
      type: value.isTensor ? value.type : 'other',
      shape: value.isTensor
        ? value.shape.map((size) => (typeof size === 'number' ? (size < 0 ? null : size) : size === '' ? null : size))
        : [],
    }));

  return {
    inputs: signatures(session.inputMetadata),
    outputs: signatures(session.outputMetadata),
    async run(feeds, fetches) {
      const tensors: Record<string, ort.Tensor> = {};
      for (const [name, tensor] of Object.entries(feeds)) {
        const type = typeOfArray.get(tensor.data.constructor) as ort.Tensor.Type;
        tensors[name] = new OrtTensor(type, tensor.data as never, tensor.shape);
      }
      const results = fetches ? await session.run(tensors, [...fetches]) : await session.run(tensors);
      const named: Record<string, Tensor> = {};
      for (const [name, tensor] of Object.entries(results)) {
        named[name] = { shape: tensor.dims, data: tensor.data as Tensor['data'] };
      }
      return named;
    },
    release: () => session.release(),
  };
}

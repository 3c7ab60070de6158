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

/** A session of ONNX Runtime. */
export interface NativeSession extends Session {
  /**
   * Runs the graph once into the memory of `outputs` (all of the graph's, in the shapes that they will have), for
   * large results of run after run: those of `run` stay until they are collected, and new memory is
   * slow to touch (measured: half as long again for 48 MB). No feed may share memory with an output.
   */
  runInto(feeds: Record<string, Tensor>, outputs: Readonly<Record<string, Tensor>>): Promise<void>;
}

export interface SessionOptions {
  /** Threads of one operator; null: one a core. */
  threads?: number | null;
  /** Memory goes back after each run instead of being kept for the next: about half as much, for a fifth more time. */
  lowMemory?: boolean;
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
export async function createSession(model: Uint8Array | string, options: SessionOptions = {}): Promise<NativeSession> {
  const { InferenceSession, Tensor: OrtTensor } = runtime();
  const settings: ort.InferenceSession.SessionOptions = {
    logSeverityLevel: 4,
    // Threads that wait for the next run would take the cores from the counting in between, and from other sessions.
    // Within a run they wait awake for 50 microseconds, long enough from one operator to the next: not for a thread that others keep from
    // its core, which costs a training step a third of its time on a busy machine.
    extra: { session: { force_spinning_stop: '1', intra_op: { spin_duration_us: '50' } } },
    ...(options.threads ? { intraOpNumThreads: options.threads } : {}),
    ...(options.lowMemory ? { enableCpuMemArena: false } : {}),
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

  const inputs = signatures(session.inputMetadata);
  const outputs = signatures(session.outputMetadata);
  const tensorsOf = (given: Readonly<Record<string, Tensor>>, typeOf: (name: string, tensor: Tensor) => string) => {
    const tensors: Record<string, ort.Tensor> = {};
    for (const [name, tensor] of Object.entries(given)) {
      tensors[name] = new OrtTensor(typeOf(name, tensor) as ort.Tensor.Type, tensor.data as never, tensor.shape);
    }
    return tensors;
  };
  const typeOfFeed = (_: string, { data }: Tensor) => typeOfArray.get(data.constructor) as string;
  const typeOfOutput = (name: string) => outputs.find((output) => output.name === name)?.type as string;

  return {
    inputs,
    outputs,
    async run(feeds, fetches) {
      const tensors = tensorsOf(feeds, typeOfFeed);
      const results = fetches ? await session.run(tensors, [...fetches]) : await session.run(tensors);
      const named: Record<string, Tensor> = {};
      for (const [name, tensor] of Object.entries(results)) {
        named[name] = { shape: tensor.dims, data: tensor.data as Tensor['data'] };
      }
      return named;
    },
    async runInto(feeds, into) {
      await session.run(tensorsOf(feeds, typeOfFeed), tensorsOf(into, typeOfOutput));
    },
    release: () => session.release(),
  };
}

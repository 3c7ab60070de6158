import type { Scalar } from '@tensorflow/tfjs-core';
import { tfjsRuntime } from './tfjsRuntime.ts';

/** What runs models of TensorFlow.js here. */
export interface TfjsStatus {
  /** The native runtime, which has trained a step; null: models run in WebAssembly and are not trained. */
  native: { file: string; version: string } | null;
  backend: string;
  /** Why the native runtime is not used although it is there. */
  complaint: string | null;
}

/** Loads the runtime of this process and, where it is native, trains a step whose result is known. */
export async function tfjsStatus(): Promise<TfjsStatus> {
  const { native, core, backends, complaint } = await tfjsRuntime();
  const status: TfjsStatus = { native, backend: backends[0] as string, complaint };
  if (native === null) return status;
  const weights = core.variable(core.tensor2d([[1], [2]]));
  // mean((I w)^2) is 2.5 here, and its gradient w.
  const { value, grads } = core.variableGrads(
    () => core.mean(core.square(core.matMul(core.eye(2), weights))) as Scalar,
  );
  const found = [value, ...Object.values(grads)].flatMap((tensor) => Array.from(tensor.dataSync()));
  core.dispose([value, weights]);
  core.dispose(grads);
  if (found.join() === '2.5,1,2') return status;
  return { ...status, native: null, complaint: `${native.file} computes wrong numbers: ${found}.` };
}

import { createRequire } from 'node:module';
import os from 'node:os';
import path from 'node:path';
import type * as wasm from '@tensorflow/tfjs-backend-wasm';
import type * as converter from '@tensorflow/tfjs-converter';
import type * as core from '@tensorflow/tfjs-core';
import type * as layers from '@tensorflow/tfjs-layers';

/** TensorFlow.js with what can run here. */
export interface TfjsRuntime {
  readonly core: typeof core;
  readonly loadLayersModel: typeof layers.loadLayersModel;
  readonly loadGraphModel: typeof converter.loadGraphModel;
  /** Names for `setBackend`, the fastest first; a later one has operators that an earlier one lacks. */
  readonly backends: readonly string[];
  /** Why the native runtime is not used although it is there; null when there is nothing to say. */
  readonly complaint: string | null;
}

/** Folder of the user's cache where the native runtime may be installed, with a `node_modules` of its own. */
export function tfjsFolder(): string {
  return path.join(process.env.XDG_CACHE_HOME || path.join(os.homedir(), '.cache'), 'backcompat', 'tfjs');
}

const require = createRequire(import.meta.url);
let loaded: Promise<TfjsRuntime> | null = null;

/**
 * The runtime of this process, loaded at first use: `@tensorflow/tfjs-node` where it is installed beside us or in
 * the user's cache folder and its native part loads, else WebAssembly, with plain JavaScript behind it for the
 * operators that WebAssembly lacks.
 * @param threads of one operator, for the native runtime; only the first call counts
 */
export function tfjsRuntime(threads: number | null = null): Promise<TfjsRuntime> {
  loaded ??= load(threads);
  return loaded;
}

type NodeModule = typeof core & Pick<TfjsRuntime, 'loadLayersModel' | 'loadGraphModel'>;

async function load(threads: number | null): Promise<TfjsRuntime> {
  const { native, complaint } = findNative(threads);
  if (native !== null) {
    const { loadLayersModel, loadGraphModel } = native;
    return { core: native, loadLayersModel, loadGraphModel, backends: ['tensorflow'], complaint: null };
  }
  const plain = require('@tensorflow/tfjs-core') as typeof core;
  // Otherwise each backend greets on the terminal, and every operator looks for NaN.
  plain.env().set('PROD', true);
  const { loadLayersModel } = require('@tensorflow/tfjs-layers') as typeof layers;
  const { loadGraphModel } = require('@tensorflow/tfjs-converter') as typeof converter;
  require('@tensorflow/tfjs-backend-cpu');
  const { BackendWasm } = require('@tensorflow/tfjs-backend-wasm') as typeof wasm;
  const backends = ['cpu'];
  if (await plain.setBackend('wasm').catch(() => false)) {
    refuseNullPointers(plain.backend() as InstanceType<typeof BackendWasm>);
    backends.unshift('wasm');
  }
  return { core: plain, loadLayersModel, loadGraphModel, backends, complaint };
}

function findNative(threads: number | null): { native: NodeModule | null; complaint: string | null } {
  let complaint: string | null = null;
  for (const from of [require, createRequire(path.join(tfjsFolder(), 'package.json'))]) {
    let file: string;
    try {
      file = from.resolve('@tensorflow/tfjs-node');
    } catch {
      continue;
    }
    try {
      prepareNative(threads);
      return { native: from(file) as NodeModule, complaint: null };
    } catch (error) {
      const [line] = String(error instanceof Error ? error.message : error).split('\n');
      complaint = `${file} is there but cannot be loaded (${line}), so a slower backend runs the model.`;
    }
  }
  return { native: null, complaint };
}

/** What the native runtime reads when it is loaded. */
function prepareNative(threads: number | null): void {
  process.env.TF_CPP_MIN_LOG_LEVEL ??= '2';
  if (threads !== null) process.env.TF_NUM_INTRAOP_THREADS ??= String(threads);
  // It calls two helpers that Node 23 removed.
  if (Number(process.versions.node.split('.')[0]) < 23) return;
  const util = require('node:util') as Record<string, unknown>;
  util.isNullOrUndefined = (value: unknown) => value === null || value === undefined;
  util.isArray = Array.isArray;
}

/** The backend does not look whether it was given memory, and would compute on address 0. */
function refuseNullPointers(backend: InstanceType<typeof wasm.BackendWasm>): void {
  const module = backend.wasm as unknown as { _malloc(bytes: number): number };
  const malloc = module._malloc.bind(module);
  module._malloc = (bytes: number) => {
    const pointer = malloc(bytes);
    if (pointer === 0 && bytes > 0) throw new RangeError(`no memory for ${bytes} bytes in WebAssembly`);
    return pointer;
  };
}

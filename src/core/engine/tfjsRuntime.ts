import { createRequire } from 'node:module';
import os from 'node:os';
import path from 'node:path';
import type * as wasm from '@tensorflow/tfjs-backend-wasm';
import type * as converter from '@tensorflow/tfjs-converter';
import type * as core from '@tensorflow/tfjs-core';
import type * as layers from '@tensorflow/tfjs-layers';

/** What installs the native runtime. */
export const INSTALL_COMMAND = 'backcompat runtime install tfjs';

/** TensorFlow.js with what can run here. */
export interface TfjsRuntime {
  /** The native runtime that is used, and the only one that trains; null: there is none. */
  readonly native: { readonly file: string; readonly version: string } | null;
  readonly core: typeof core;
  readonly loadLayersModel: typeof layers.loadLayersModel;
  /** A model of layers of another one. */
  readonly layersModel: typeof layers.model;
  readonly loadGraphModel: typeof converter.loadGraphModel;
  /** Names for `setBackend`, the fastest first; a later one has operators that an earlier one lacks. */
  readonly backends: readonly string[];
  /** Why the native runtime is not used although it is there; null when there is nothing to say. */
  readonly complaint: string | null;
  /** Grows when WebAssembly had to start anew: tensors of an earlier time are gone. */
  readonly generation: number;
  /** What kernels of WebAssembly complained of since it was asked last; their results are then whatever lay in memory. */
  takeWarnings(): string[];
  /** To be told of every error: one that leaves WebAssembly's memory damaged makes it start anew. */
  restartAfter(error: unknown): Promise<void>;
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

type NodeModule = typeof core &
  Pick<TfjsRuntime, 'loadLayersModel' | 'loadGraphModel'> & {
    model: typeof layers.model;
    version: { 'tfjs-node': string };
  };

async function load(threads: number | null): Promise<TfjsRuntime> {
  const { native, file, complaint } = findNative(threads);
  if (native !== null) {
    const { loadLayersModel, loadGraphModel, model: layersModel, version } = native;
    return {
      native: { file, version: version['tfjs-node'] },
      core: native,
      loadLayersModel,
      layersModel,
      loadGraphModel,
      backends: ['tensorflow'],
      complaint: null,
      generation: 0,
      takeWarnings: () => [],
      restartAfter: async () => {},
    };
  }
  const plain = require('@tensorflow/tfjs-core') as typeof core;
  // Otherwise each backend greets on the terminal, and every operator looks for NaN.
  plain.env().set('PROD', true);
  const { loadLayersModel, model: layersModel } = require('@tensorflow/tfjs-layers') as typeof layers;
  const { loadGraphModel } = require('@tensorflow/tfjs-converter') as typeof converter;
  require('@tensorflow/tfjs-backend-cpu');
  const { BackendWasm } = require('@tensorflow/tfjs-backend-wasm') as typeof wasm;
  const backends = ['cpu'];
  const warnings: string[] = [];
  const startWasm = async (): Promise<boolean> => {
    // Its kernels warn and go on, by the function that this is while they are loaded.
    const { warn } = console;
    console.warn = (...words: unknown[]) => warnings.push(words.join(' '));
    try {
      if (!(await plain.setBackend('wasm'))) return false;
    } catch {
      return false;
    } finally {
      console.warn = warn;
    }
    refuseNullPointers(plain.backend() as InstanceType<typeof BackendWasm>);
    return true;
  };
  if (await startWasm()) backends.unshift('wasm');
  let generation = 0;
  return {
    native: null,
    core: plain,
    loadLayersModel,
    layersModel,
    loadGraphModel,
    backends,
    complaint,
    get generation() {
      return generation;
    },
    takeWarnings: () => warnings.splice(0),
    async restartAfter(error) {
      // Its kernels check little: a model of impossible sizes may write anywhere in its memory.
      if (!isTrap(error) || backends[0] !== 'wasm') return;
      generation++;
      const factory = plain.findBackendFactory('wasm');
      // It would walk through the damaged memory.
      plain.backend().dispose = () => {};
      plain.removeBackend('wasm');
      plain.registerBackend('wasm', factory, 2);
      if (!(await startWasm())) backends.shift();
    },
  };
}

/** An error of WebAssembly itself; its class is not among the types of Node. */
function isTrap(error: unknown): boolean {
  return error instanceof Error && error.name === 'RuntimeError';
}

function findNative(threads: number | null): { native: NodeModule | null; file: string; complaint: string | null } {
  let complaint: string | null = null;
  let file = '';
  for (const from of [require, createRequire(path.join(tfjsFolder(), 'package.json'))]) {
    try {
      file = from.resolve('@tensorflow/tfjs-node');
    } catch {
      continue;
    }
    try {
      prepareNative(threads);
      return { native: from(file) as NodeModule, file, complaint: null };
    } catch (error) {
      const [line] = String(error instanceof Error ? error.message : error).split('\n');
      complaint = `${file} is there but cannot be loaded (${line}), so a slower backend runs the model; ${INSTALL_COMMAND} installs it anew.`;
    }
  }
  return { native: null, file, complaint };
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

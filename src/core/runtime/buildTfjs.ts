import { existsSync } from 'node:fs';
import { mkdir, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { BackcompatError } from '../contract/errors.ts';
import type { Progress } from '../contract/runs.ts';
import { ProgramError, runProgram } from './runProgram.ts';
import { downloadWheel, unpackMembers, type Wheel } from './wheel.ts';

export const TFJS_NODE_VERSION = '4.22.0';
/** Node's C interface, which is the same for every Node. */
const NODE_API_HEADERS_VERSION = '1.9.0';
/** The interface that every Node since 12.22 has: one build serves all. */
const NAPI_VERSION = 8;

export interface BuildOptions {
  /** Empty, with room for 1.5 GB while it is built. */
  folder: string;
  progress: Progress;
  signal: AbortSignal | undefined;
}

/**
 * The ordinary installation: npm runs the package's install script, which downloads TensorFlow from outside the registry.
 * @throws BackcompatError `install-failed`, `cancelled`
 */
export async function buildByNpm({ folder, progress, signal }: BuildOptions): Promise<void> {
  progress.phase(`Installing @tensorflow/tfjs-node ${TFJS_NODE_VERSION}`);
  await npmInstall(folder, { '@tensorflow/tfjs-node': TFJS_NODE_VERSION }, [], signal);
  // npm ends well where scripts are switched off.
  if (!existsSync(bindingFile(folder))) {
    throw failed('npm did not run the install script of @tensorflow/tfjs-node', 'Allow install scripts in npm.');
  }
}

/** What the wheel holds that the binding needs: the library, and headers reached from three of them. */
const libraries = ['libtensorflow_cc.so.2', 'libtensorflow_framework.so.2'];
const headers = [
  'tensorflow/c/c_api.h',
  'tensorflow/c/c_api_macros.h',
  'tensorflow/c/eager/c_api.h',
  'tensorflow/c/tf_attrtype.h',
  'tensorflow/c/tf_buffer.h',
  'tensorflow/c/tf_datatype.h',
  'tensorflow/c/tf_status.h',
  'tensorflow/c/tf_tensor.h',
  'tensorflow/c/tf_tstring.h',
  'tensorflow/core/platform/ctstring.h',
  'tensorflow/core/platform/ctstring_internal.h',
  'tensorflow/tsl/c/tsl_status.h',
  'tensorflow/tsl/platform/ctstring.h',
  'tensorflow/tsl/platform/ctstring_internal.h',
];

/** Whether {@link buildFromWheel} can work here: the wheel's library is for Linux on x64 with the GNU C library. */
export function canBuildFromWheel(): boolean {
  if (process.platform !== 'linux' || process.arch !== 'x64') return false;
  const { header } = process.report.getReport() as unknown as { header: { glibcVersionRuntime?: string } };
  return header.glibcVersionRuntime !== undefined;
}

/**
 * The way from package registries alone: the JavaScript from npm, TensorFlow's library from a Python wheel, and one
 * call of the compiler for what joins them.
 * @throws BackcompatError `install-failed` (no compiler, no network), `cancelled`
 */
export async function buildFromWheel(wheel: Wheel, { folder, progress, signal }: BuildOptions): Promise<void> {
  const compiler = process.env.CXX || 'g++';
  await runProgram(compiler, ['--version'], { folder, signal }).catch((error: unknown) => {
    if (!(error instanceof ProgramError)) throw error;
    throw failed(
      `the C++ compiler ${compiler} is missing`,
      'Install it (Debian and Ubuntu: apt-get install g++; Fedora: dnf install gcc-c++), or name another in CXX.',
      error,
    );
  });
  progress.phase(`Installing @tensorflow/tfjs-node ${TFJS_NODE_VERSION} without its download`);
  const dependencies = {
    '@tensorflow/tfjs-node': TFJS_NODE_VERSION,
    'node-api-headers': NODE_API_HEADERS_VERSION,
  };
  await npmInstall(folder, dependencies, ['--ignore-scripts'], signal);

  progress.phase(`Downloading TensorFlow ${wheel.version}`);
  const archive = await downloadWheel(wheel, folder, progress, signal);
  progress.phase('Unpacking TensorFlow');
  const module = moduleFolder(folder);
  const lib = path.join(module, 'deps/lib');
  const include = path.join(module, 'deps/include');
  await unpackMembers(
    archive,
    new Map([
      ...libraries.map((name) => [`tensorflow/${name}`, path.join(lib, name)] as const),
      ...headers.map((name) => [`tensorflow/include/${name}`, path.join(include, name)] as const),
    ]),
    signal,
  );
  await rm(archive);
  // A quarter of their size; they work as well without.
  await runProgram('strip', libraries, { folder: lib, signal }).catch((error: unknown) => {
    if (!(error instanceof ProgramError)) throw error;
  });
  await symlink('libtensorflow_cc.so.2', path.join(lib, 'libtensorflow.so'));
  await symlink('libtensorflow_framework.so.2', path.join(lib, 'libtensorflow_framework.so'));
  // What the package's own script looks for: an `npm rebuild` would otherwise begin by deleting all of this.
  await symlink('libtensorflow_cc.so.2', path.join(lib, 'libtensorflow.so.2.9.1'));

  progress.phase('Compiling the binding');
  await compile(compiler, folder, { include, lib, signal });
}

async function compile(
  compiler: string,
  folder: string,
  { include, lib, signal }: { include: string; lib: string; signal: AbortSignal | undefined },
): Promise<void> {
  const source = path.join(moduleFolder(folder), 'binding');
  const sources = (await readdir(source)).filter((name) => name.endsWith('.cc')).map((name) => path.join(source, name));
  const output = bindingFile(folder);
  await mkdir(path.dirname(output), { recursive: true });
  const args = [
    ...['-std=c++17', '-O2', '-fPIC', '-shared'],
    ...[`NAPI_VERSION=${NAPI_VERSION}`, 'BUILDING_NODE_EXTENSION', 'NODE_GYP_MODULE_NAME=tfjs_binding'].map(
      (definition) => `-D${definition}`,
    ),
    ...[include, path.join(folder, 'node_modules/node-api-headers/include')].flatMap((name) => ['-I', name]),
    ...sources,
    ...['-L', lib, '-ltensorflow', '-ltensorflow_framework', '-Wl,-rpath,$ORIGIN/../../deps/lib'],
    ...['-o', output],
  ];
  try {
    await runProgram(compiler, args, { folder, signal });
  } catch (error) {
    if (!(error instanceof ProgramError)) throw error;
    throw failed(`the binding cannot be compiled (${error.reason})`, 'Use g++ 9 or later.', error);
  }
}

function moduleFolder(folder: string): string {
  return path.join(folder, 'node_modules/@tensorflow/tfjs-node');
}

/** Where the package looks for its native part. */
function bindingFile(folder: string): string {
  return path.join(moduleFolder(folder), `lib/napi-v${NAPI_VERSION}/tfjs_binding.node`);
}

async function npmInstall(
  folder: string,
  dependencies: Record<string, string>,
  options: readonly string[],
  signal: AbortSignal | undefined,
): Promise<void> {
  await writeFile(path.join(folder, 'package.json'), JSON.stringify({ private: true, dependencies }));
  const quiet = ['--no-audit', '--no-fund', '--no-package-lock', '--loglevel=error'];
  // What an outer `npm run` tells about its own package is not about this one.
  const env = Object.fromEntries(
    Object.entries(process.env).filter(([key]) => !/^npm_(package|lifecycle|config_local_prefix)/.test(key)),
  );
  try {
    const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm';
    await runProgram(npm, ['install', ...quiet, ...options], { folder, env, signal });
  } catch (error) {
    if (!(error instanceof ProgramError)) throw error;
    if (error.isMissing) throw failed('npm is missing', 'Install Node.js with npm, and try again.', error);
    throw failed(
      `npm cannot install @tensorflow/tfjs-node (${error.reason})`,
      'Connect to the npm registry, or name a mirror in .npmrc, and try again.',
      error,
    );
  }
}

function failed(what: string, remedy: string, cause?: unknown): BackcompatError {
  return new BackcompatError('install-failed', `The TensorFlow.js runtime cannot be installed: ${what}.`, {
    remedy,
    cause,
  });
}

import { existsSync, readFileSync } from 'node:fs';
import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { BackcompatError, cancelledError, isCancellation } from '../contract/errors.ts';
import type { Progress } from '../contract/runs.ts';
import { tfjsFolder } from '../engine/tfjsRuntime.ts';
import { acquireLock } from '../runs/lock.ts';
import { type BuildOptions, buildByNpm, buildFromWheel, canBuildFromWheel, TFJS_NODE_VERSION } from './buildTfjs.ts';
import { ProgramError } from './runProgram.ts';
import { tensorflowWheel, type Wheel } from './wheel.ts';

/** Written last: what lies in the folder and is whole. */
export interface TfjsInstallation {
  /** Of @tensorflow/tfjs-node. */
  readonly version: string;
  /** Grows with the steps in `buildTfjs.ts`: an older installation is made anew. */
  readonly recipe: number;
  /** `npm`: the ordinary way; `wheel`: compiled against the library of a Python wheel. */
  readonly way: 'npm' | 'wheel';
}

const RECIPE = 1;
const MARKER = 'installation.json';
const LOCK_INTERVAL_MS = 500;

/** What is installed in the user's cache folder; null: nothing, or something that is not whole. */
export function tfjsInstallation(): TfjsInstallation | null {
  try {
    return JSON.parse(readFileSync(path.join(tfjsFolder(), MARKER), 'utf8')) as TfjsInstallation;
  } catch {
    return null;
  }
}

export interface InstallOptions {
  progress: Progress;
  signal?: AbortSignal | undefined;
  /** Make it anew although it is there. */
  isForced?: boolean;
  /**
   * Loads the runtime in a process of its own, where XDG_CACHE_HOME is `cacheHome` (null: as it is here), and trains a step.
   * @returns what is wrong; null when all is well
   */
  check(cacheHome: string | null, signal: AbortSignal | undefined): Promise<string | null>;
  /** Where the library comes from when npm cannot fetch it; null: nowhere. Default: {@link tensorflowWheel} where that fits. */
  wheel?: Wheel | null;
}

/**
 * Installs `@tensorflow/tfjs-node` into the user's cache folder: as npm does it, or else, on Linux, from the package
 * registries alone. It is built beside its place, tried, and moved there as a whole; a failure or a cancellation leaves
 * what was there before. One installation at a time: a second one waits for the first.
 * @returns the folder, and whether something was installed: what is there and works stays
 * @throws BackcompatError `install-failed`, `cancelled`, `write-failed`
 */
export async function installTfjs(options: InstallOptions): Promise<{ folder: string; isNew: boolean }> {
  const { signal, check, isForced = false } = options;
  const folder = tfjsFolder();
  const release = await lockWhenFree(path.dirname(folder), options);
  try {
    const present = tfjsInstallation();
    if (!isForced && present?.recipe === RECIPE && present.version === TFJS_NODE_VERSION) {
      options.progress.phase('Trying the installed runtime');
      if ((await check(null, signal)) === null) return { folder, isNew: false };
    }
    const home = `${folder}.unfinished`;
    const built = path.join(home, path.relative(path.dirname(path.dirname(folder)), folder));
    try {
      const way = await build(built, home, options);
      const installation: TfjsInstallation = { version: TFJS_NODE_VERSION, recipe: RECIPE, way };
      await writeFile(path.join(built, MARKER), `${JSON.stringify(installation)}\n`);
      const replaced = path.join(home, 'replaced');
      if (existsSync(folder)) await rename(folder, replaced);
      await rename(built, folder);
    } finally {
      await rm(home, { recursive: true, force: true, maxRetries: 3 });
    }
    return { folder, isNew: true };
  } finally {
    release();
  }
}

/**
 * Removes what `installTfjs` installed.
 * @returns the folder; null when there was nothing
 */
export async function removeTfjs(options: Pick<InstallOptions, 'progress' | 'signal'>): Promise<string | null> {
  const folder = tfjsFolder();
  if (!existsSync(folder)) return null;
  const release = await lockWhenFree(path.dirname(folder), options);
  try {
    // Out of sight at once: half a runtime would be found and fail to load.
    const aside = `${folder}.unfinished`;
    await rm(aside, { recursive: true, force: true });
    await rename(folder, aside);
    await rm(aside, { recursive: true, force: true, maxRetries: 3 });
  } finally {
    release();
  }
  return folder;
}

async function build(built: string, home: string, options: InstallOptions): Promise<TfjsInstallation['way']> {
  const { progress, signal, check, wheel = canBuildFromWheel() ? tensorflowWheel : null } = options;
  const ways: [TfjsInstallation['way'], (options: BuildOptions) => Promise<void>][] = [['npm', buildByNpm]];
  if (wheel !== null) ways.push(['wheel', (given) => buildFromWheel(wheel, given)]);
  for (const [index, [way, buildIt]] of ways.entries()) {
    await rm(home, { recursive: true, force: true });
    await mkdir(built, { recursive: true });
    try {
      await buildIt({ folder: built, progress, signal });
      progress.phase('Trying it: one step of training');
      const complaint = await check(home, signal);
      if (complaint === null) return way;
      throw new BackcompatError('install-failed', `The TensorFlow.js runtime was installed but ${complaint}.`, {
        remedy: 'Models run in WebAssembly without it; training them needs another machine.',
      });
    } catch (error) {
      // Without npm there is no way at all.
      const lacksNpm = error instanceof Error && error.cause instanceof ProgramError && error.cause.isMissing;
      if (isCancellation(error) || lacksNpm || index === ways.length - 1) throw error;
      progress.log('info', (error as Error).message);
    }
  }
  throw new BackcompatError('internal', 'There is no way to install the TensorFlow.js runtime.');
}

async function lockWhenFree(
  folder: string,
  { progress, signal }: Pick<InstallOptions, 'progress' | 'signal'>,
): Promise<() => void> {
  await mkdir(folder, { recursive: true });
  for (let attempt = 0; ; attempt++) {
    try {
      return acquireLock(folder);
    } catch (error) {
      if (!(error instanceof BackcompatError) || error.code !== 'in-use') throw error;
    }
    if (attempt === 0) progress.phase('Waiting for another installation');
    await delay(LOCK_INTERVAL_MS, undefined, { signal: signal ?? undefined }).catch(() => {
      throw cancelledError();
    });
  }
}

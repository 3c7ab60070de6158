import { readdir, rm } from 'node:fs/promises';
import path from 'node:path';
import { asBackcompatError, BackcompatError } from '../../../contract/errors.ts';
import { readState, type SavedState, writeState } from './stateFile.ts';

/** The one before stays until the new one is whole, and may be read if the new one goes bad. */
const KEPT = 2;
const STATE_NAME = /^step-(\d{10})\.state$/;
const BEST_NAME = 'best.state';

/** The states of one training, in a folder of their own. */
export interface TrainingStates<Extra> {
  /**
   * The newest whole state, null when there never was one. Damaged ones are told to `onDamage` and skipped.
   * @throws BackcompatError `bad-file` when all are damaged, `in-use` for one of another training
   */
  latest(onDamage: (message: string) => void): Promise<SavedState<Extra> | null>;
  /** Keeps a state, and the one before it. @throws BackcompatError `write-failed`; the states before stay */
  save(state: SavedState<Extra>): Promise<void>;
  /** The state that was kept as the best; null when there is none. @throws BackcompatError `bad-file` */
  best(): Promise<SavedState<Extra> | null>;
  saveBest(state: SavedState<Extra>): Promise<void>;
  /** Removes all of them, when the training is over. */
  clear(): Promise<void>;
}

/**
 * @param folder absolute; made when the first state is written
 * @param identity hash of what the training depends on
 */
export function openStates<Extra>(folder: string, identity: string): TrainingStates<Extra> {
  async function write(name: string, state: SavedState<Extra>): Promise<void> {
    try {
      await writeState(path.join(folder, name), identity, state);
    } catch (cause) {
      const { message, code } = asBackcompatError(cause);
      const text = `The state of step ${state.trainer.step} could not be written. ${message}`;
      throw new BackcompatError(code, text, {
        place: { file: path.join(folder, name) },
        remedy: 'The states before it are whole: make room, then resume the run.',
        cause,
      });
    }
  }

  async function read(name: string): Promise<SavedState<Extra>> {
    const file = path.join(folder, name);
    const found = await readState<Extra>(file);
    if (found.identity === identity) return found.state;
    throw new BackcompatError('in-use', `The state ${file} is of another training.`, {
      place: { file },
      remedy: 'Remove it from the run, or start the training again.',
    });
  }

  async function names(): Promise<string[]> {
    const found = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return [];
      throw error;
    });
    return found.sort().reverse();
  }

  return {
    async latest(onDamage) {
      const all = await names();
      const states = all.filter((name) => STATE_NAME.test(name));
      for (const [index, name] of states.entries()) {
        try {
          return await read(name);
        } catch (error) {
          const isDamaged = error instanceof BackcompatError && error.code === 'bad-file';
          if (!isDamaged || index === states.length - 1) throw error;
          onDamage(error.message);
        }
      }
      return null;
    },
    async save(state) {
      const name = `step-${String(state.trainer.step).padStart(10, '0')}.state`;
      await write(name, state);
      // By name: a state of a later step than this one is left of a run that was resumed from an earlier.
      const others = (await names()).filter((other) => STATE_NAME.test(other) && other !== name);
      const before = others.filter((other) => other < name).slice(0, KEPT - 1);
      for (const other of others) if (!before.includes(other)) await rm(path.join(folder, other), { force: true });
    },
    async best() {
      const all = await names();
      return all.includes(BEST_NAME) ? read(BEST_NAME) : null;
    },
    saveBest: (state) => write(BEST_NAME, state),
    clear: () => rm(folder, { recursive: true, force: true }),
  };
}

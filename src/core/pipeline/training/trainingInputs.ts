import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { quotedList } from '../../config/closest.ts';
import type { SessionsDefinition, TrainingDefinition } from '../../config/schema.ts';
import { BackcompatError } from '../../contract/errors.ts';
import { TRAINING_FILES } from '../../contract/training.ts';
import { writeFileAtomic } from '../../runs/atomicFile.ts';

/**
 * What a training depends on, by words that people know: `training.v2-bct.epochs`, "the training items", ... Equal
 * values mean that the same weights come out.
 */
export type TrainingInputs = Readonly<Record<string, string>>;

/** Of everything between files and weights that no config says; raised when other weights come out. */
export const TRAINING_VERSION = 1;

/** What the config's block says of it, by key. */
export function blockInputs(
  name: string,
  block: TrainingDefinition | SessionsDefinition,
  of: 'training' | 'sessions' = 'training',
): TrainingInputs {
  return Object.fromEntries(
    Object.entries(block).map(([key, value]) => [`${of}.${name}.${key}`, JSON.stringify(value)]),
  );
}

export function identityOf(inputs: TrainingInputs): string {
  return createHash('sha256')
    .update(JSON.stringify(Object.entries(inputs).sort()))
    .digest('hex');
}

/** Remembers what a run depends on. */
export async function writeInputs(directory: string, inputs: TrainingInputs): Promise<void> {
  await writeFileAtomic(path.join(directory, TRAINING_FILES.inputs), `${JSON.stringify(inputs, null, 2)}\n`);
}

/**
 * Refuses to go on with a run when what it depends on has changed. A run that was killed before it wrote anything down
 * begins anew.
 * @throws BackcompatError `in-use` naming what has changed; `bad-file`
 */
export async function checkInputs(directory: string, inputs: TrainingInputs): Promise<void> {
  const before = await readInputs(directory);
  if (before === null) return;
  const changed = [...new Set([...Object.keys(before), ...Object.keys(inputs)])].filter(
    (key) => before[key] !== inputs[key],
  );
  if (changed.length === 0) return;
  const [first] = changed as [string];
  const one = `${first} was ${before[first] ?? 'not given'} and is ${inputs[first] ?? 'not given'}`;
  const isShort = changed.length === 1 && one.length < 200;
  throw new BackcompatError(
    'in-use',
    `The run ${directory} cannot go on: ${isShort ? one : `${quotedList(changed, 8)} changed`} since it began.`,
    { place: { file: directory }, remedy: 'Undo the change, or start a new run without --resume.' },
  );
}

/** What a run wrote down of what it depends on; null for none. @throws BackcompatError `bad-file` */
export async function readInputs(directory: string): Promise<TrainingInputs | null> {
  const file = path.join(directory, TRAINING_FILES.inputs);
  try {
    return JSON.parse(await readFile(file, 'utf8')) as TrainingInputs;
  } catch (cause) {
    if ((cause as { code?: string }).code === 'ENOENT') return null;
    throw new BackcompatError('bad-file', `${file} does not say what the run depends on.`, {
      place: { file },
      remedy: 'Start a new run without --resume.',
      cause,
    });
  }
}

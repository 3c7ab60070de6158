import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { closest, quotedList } from '../config/closest.ts';
import { splitReference } from '../config/crossCheck.ts';
import { configError, type LoadedConfig } from '../config/loadConfig.ts';
import { type CheckpointDefinition, parseModelCheckpoint, type TrainingDefinition } from '../config/schema.ts';
import { BackcompatError } from '../contract/errors.ts';
import type { RunSummary } from '../contract/runs.ts';
import { TRAINING_FILES } from '../contract/training.ts';
import { listRuns } from '../runs/listRuns.ts';

/** A checkpoint by the name that a config gives it. */
export interface NamedCheckpoint {
  name: string;
  definition: CheckpointDefinition;
  /** What paths in the definition are relative to: the config's folder, or the run's that made it. */
  folder: string;
}

/**
 * A checkpoint of the config, or what the latest finished run of a training block made: `v2-bct`, or one of its parts,
 * `v2-bct/paragon`, `v2-bct/lambda-0.5`.
 * @throws BackcompatError `bad-config` for an unknown name, and for a block without a finished run, naming the command
 */
export async function namedCheckpoint(loaded: LoadedConfig, name: string): Promise<NamedCheckpoint> {
  const { checkpoints = {}, training = {} } = loaded.config;
  if (Object.hasOwn(checkpoints, name)) {
    return { name, definition: checkpoints[name] as CheckpointDefinition, folder: loaded.folder };
  }
  const [block, part] = blockOf(training, name);
  if (block !== null) return trainedCheckpoint(loaded, name, block, part ?? '');
  const names = [...Object.keys(checkpoints), ...Object.keys(training)];
  const suggestion = closest(name, names);
  const message = `There is no checkpoint ${JSON.stringify(name)} in ${loaded.file}.`;
  const remedy = suggestion ? `Did you mean ${JSON.stringify(suggestion)}?` : `There is ${quotedList(names)}.`;
  throw configError(loaded, ['checkpoints'], message, remedy);
}

/** What the config itself says of a checkpoint, without looking for runs: equal means the same question. */
export function askedOfCheckpoint(
  loaded: LoadedConfig,
  name: string,
): CheckpointDefinition | TrainingDefinition | null {
  const { checkpoints = {}, training = {} } = loaded.config;
  if (Object.hasOwn(checkpoints, name)) return checkpoints[name] as CheckpointDefinition;
  const [block] = blockOf(training, name);
  return block === null ? null : (training[block] as TrainingDefinition);
}

function blockOf(training: Record<string, unknown>, name: string): [block: string | null, part: string | null] {
  if (Object.hasOwn(training, name)) return [name, null];
  const [block, part] = splitReference(name);
  return part !== null && Object.hasOwn(training, block) ? [block, part] : [null, null];
}

async function trainedCheckpoint(
  loaded: LoadedConfig,
  name: string,
  block: string,
  part: string,
): Promise<NamedCheckpoint> {
  const run = await latestTraining(loaded, block);
  if (run === null) {
    throw configError(
      loaded,
      ['training', block],
      `${JSON.stringify(name)} is the result of a training that has not been run to its end.`,
      `Train it first: backcompat train ${path.basename(loaded.file)} --name ${block}`,
    );
  }
  return readTrained(name, path.join(run.directory, part));
}

/** The newest finished run of a training block of this config; null when there is none. */
export async function latestTraining(loaded: LoadedConfig, block: string): Promise<RunSummary | null> {
  const runs = await listRuns(loaded.folder);
  const isOfBlock = ({ kind, name, state, configFile }: RunSummary) =>
    kind === 'train' && name === block && state === 'done' && configFile === loaded.file;
  return runs.find(isOfBlock) ?? null;
}

/** The checkpoint that a part of a run has left in its folder. @throws BackcompatError `bad-file` */
export async function readTrained(name: string, folder: string): Promise<NamedCheckpoint> {
  const file = path.join(folder, TRAINING_FILES.checkpoint);
  const definition = await readFile(file, 'utf8')
    .then((text) => parseModelCheckpoint(JSON.parse(text)))
    .catch(() => null);
  if (definition !== null) return { name, definition, folder };
  throw new BackcompatError('bad-file', `${file} is no checkpoint ${JSON.stringify(name)} that a training has left.`, {
    place: { file },
    remedy: 'Train it again with: backcompat train',
  });
}

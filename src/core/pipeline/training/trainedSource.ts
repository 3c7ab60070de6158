import path from 'node:path';
import { splitReference } from '../../config/crossCheck.ts';
import type { LoadedConfig, Pair } from '../../config/loadConfig.ts';
import type { TrainingDefinition } from '../../config/schema.ts';
import type { AuditRequest } from '../auditRequest.ts';
import { type NamedCheckpoint, readTrained } from '../namedCheckpoint.ts';
import { pairOfPart, planTraining } from './trainingPlan.ts';

type TrainedSource = Extract<AuditRequest['source'], { kind: 'trained' }>;

/**
 * A pair of models, those of the block taken from a run's directory, whether the run is finished or not.
 * @param block name of the training block
 * @throws BackcompatError `bad-file` for a part that the run has not made
 */
export async function trainedSource(
  loaded: LoadedConfig,
  pair: Pair,
  block: string,
  directory: string,
): Promise<TrainedSource> {
  const models: Record<string, NamedCheckpoint> = {};
  for (const name of [pair.new, pair.paragon]) {
    if (name === null) continue;
    const [owner, part] = splitReference(name);
    if (owner === block) models[name] = await readTrained(name, path.join(directory, part ?? ''));
  }
  return { kind: 'trained', file: loaded.file, pair, models };
}

/** The same for a part by its name as a checkpoint (`v2`, `v2/paragon`); null where the config no longer has it. */
export async function sourceOfPart(
  loaded: LoadedConfig,
  block: string,
  part: string,
  directory: string,
): Promise<TrainedSource | null> {
  const { training = {} } = loaded.config;
  if (!Object.hasOwn(training, block)) return null;
  const plan = planTraining(block, training[block] as TrainingDefinition, undefined);
  const planned = plan.parts.find(({ name }) => name === part);
  const pair = planned && pairOfPart(plan, planned);
  return pair ? trainedSource(loaded, pair, block, directory) : null;
}

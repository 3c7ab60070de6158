import type { LoadedConfig } from '../../config/loadConfig.ts';
import type { RunSummary } from '../../contract/runs.ts';
import { latestTraining } from '../namedCheckpoint.ts';
import { blockInputs, readInputs } from './trainingInputs.ts';
import { findTraining } from './trainingPlan.ts';

/**
 * The latest finished run of a block whose result training it again would give: the block says the same, and no block that it
 * builds upon was trained later. Looks at no content of datasets.
 * @returns null when there is none
 * @throws BackcompatError `usage` for an unknown block
 */
export async function reusableRun(loaded: LoadedConfig, name: string): Promise<RunSummary | null> {
  const { block } = findTraining(loaded, name);
  const run = await latestTraining(loaded, name);
  if (run === null) return null;
  const then = await readInputs(run.directory).catch(() => null);
  if (then === null) return null;
  const now = blockInputs(name, block);
  const ofBlock = Object.keys(then).filter((key) => key.startsWith(`training.${name}.`));
  if (ofBlock.length !== Object.keys(now).length || ofBlock.some((key) => then[key] !== now[key])) return null;
  for (const needed of [block.from, block.old, block.paragon]) {
    if (typeof needed !== 'string') continue;
    const [owner] = needed.split('/') as [string];
    const before = Object.hasOwn(loaded.config.training ?? {}, owner) ? await latestTraining(loaded, owner) : null;
    if (before !== null && before.created > run.created) return null;
  }
  return run;
}

import { configError, type LoadedConfig } from '../../config/loadConfig.ts';
import type { SessionsDefinition } from '../../config/schema.ts';
import { type PlanSettings, planSessions } from '../../continual/plan.ts';
import { previewPlan, type SessionPreview } from '../../continual/planPreview.ts';
import { BackcompatError } from '../../contract/errors.ts';
import type { SessionPlan } from '../../contract/sessions.ts';
import type { ItemSet } from '../../data/itemSet.ts';
import { namedBlock } from '../namedBlock.ts';
import { itemLoader } from '../pairDefinition.ts';

/** Of `general`, where the config does not say. */
const HELD_BACK = 0.2;

/**
 * The block of sessions called `name`, or the only one.
 * @throws BackcompatError `usage` for an unknown name or one that is missing, `bad-config` when there is no block
 */
export function findSessions(loaded: LoadedConfig, name: string | null): { name: string; block: SessionsDefinition } {
  return namedBlock(loaded, 'sessions', loaded.config.sessions ?? {}, name, {
    one: 'block of sessions',
    many: 'blocks of sessions',
    remedy: 'Add "sessions" with a block that names a start, data, queries and a plan.',
  });
}

/**
 * What each session of a block brings; nothing is trained.
 * @param name null: the only block
 * @throws BackcompatError of `findSessions`, `planSessions` and the dataset; `bad-config` for a plan without what its setup needs
 */
export async function planBlock(
  loaded: LoadedConfig,
  name: string | null,
): Promise<{ plan: SessionPlan; previews: SessionPreview[] }> {
  const found = findSessions(loaded, name);
  const items = await itemLoader(loaded)(found.block.data);
  const plan = planOfBlock(loaded, found.name, found.block, items, undefined);
  return { plan, previews: previewPlan(plan, items) };
}

/**
 * The plan of a block whose items are loaded.
 * @param seed of the command line, in place of the block's; a seed of the plan's own stays
 * @throws BackcompatError as `planBlock`
 */
export function planOfBlock(
  loaded: LoadedConfig,
  name: string,
  block: SessionsDefinition,
  items: ItemSet,
  seed: number | undefined,
): SessionPlan {
  const settings = planSettings(loaded, name, block, seed);
  if (items.labelled === false) {
    throw new BackcompatError('bad-data', `${items.name} has no labels, which sessions are planned by.`, {
      remedy: 'Name a dataset with labels in "data".',
    });
  }
  return planned(loaded, name, () => planSessions(items, settings));
}

/** Parts that the config's checks have made sure of are there. */
function planSettings(
  loaded: LoadedConfig,
  name: string,
  { plan, seed: ofBlock }: SessionsDefinition,
  ofRun: number | undefined,
): PlanSettings {
  const { setup, percent, column = '' } = plan;
  const seed = plan.seed ?? ofRun ?? ofBlock ?? 0;
  if (setup === 'column') return { setup, column, sessions: plan.sessions ?? null, seed };
  const sessions = plan.sessions ?? 1;
  if (setup === 'disjoint') return { setup, sessions, seed };
  if (percent === undefined) {
    throw configError(
      loaded,
      ['sessions', name, 'plan'],
      `The plan of ${JSON.stringify(name)} is "${setup}" and gives no "percent".`,
      'Add "percent": the share of items that come in other sessions than those of their class.',
    );
  }
  if (setup === 'blurry') return { setup, percent, sessions, seed };
  return { setup, percent, heldBack: plan.heldBack ?? HELD_BACK, sessions, seed };
}

/** What is wrong with a plan lies at its key of the config. */
function planned<T>(loaded: LoadedConfig, name: string, make: () => T): T {
  try {
    return make();
  } catch (error) {
    if (!(error instanceof BackcompatError) || error.code !== 'bad-config') throw error;
    const { field: key } = error.place;
    const field = key === 'sessions' || key === 'column' ? [key] : [];
    throw configError(loaded, ['sessions', name, 'plan', ...field], error.message, error.remedy ?? undefined);
  }
}

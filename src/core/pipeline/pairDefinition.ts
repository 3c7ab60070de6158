/** What a config says of a pair, before anything is embedded: shared by audits and by whoever judges one again. */
import { createHash } from 'node:crypto';
import { configError, datasetDefinition, type LoadedConfig, type Pair, resolveProtocol } from '../config/loadConfig.ts';
import { BackcompatError } from '../contract/errors.ts';
import type { AuditProtocol } from '../contract/protocol.ts';
import type { ItemSet } from '../data/itemSet.ts';
import { loadDataset, selectPart } from '../data/loadDataset.ts';
import { checkGateRule, type Measured } from '../report/gateRules.ts';
import { activeGates } from '../report/gates.ts';
import type { AuditOverrides } from './auditRequest.ts';
import { askedOfCheckpoint } from './namedCheckpoint.ts';

/** The config's protocol for the pair, with options of the command line in place of what it says. */
export function pairProtocol(loaded: LoadedConfig, pair: Pair, overrides: AuditOverrides): AuditProtocol {
  return applyOverrides(resolveProtocol(loaded.config.audit, pair), overrides);
}

export function applyOverrides(protocol: AuditProtocol, overrides: AuditOverrides): AuditProtocol {
  const { resamples, ...rest } = overrides;
  const given = Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== undefined));
  return {
    ...protocol,
    ...(rest.adapterFile === undefined ? {} : { dimensionRule: 'project' as const }),
    ...given,
    bootstrap: { ...protocol.bootstrap, ...(resamples === undefined ? {} : { resamples }) },
  };
}

/**
 * sha256 (hex) of all that the config says of how the pair is measured, defaults filled in: equal means the
 * same question. Gates and baseline are not part of it.
 */
export function hashPair(loaded: LoadedConfig, pair: Pair, protocol: AuditProtocol): string {
  const asked = {
    pair,
    protocol,
    checkpoints: (pair.versions ?? [pair.old, pair.new, pair.paragon]).map(
      (name) => name !== null && askedOfCheckpoint(loaded, name),
    ),
    datasets: [pair.queries, pair.gallery].map((reference) => datasetDefinition(loaded, reference)),
  };
  return createHash('sha256').update(JSON.stringify(asked)).digest('hex');
}

/** Loads datasets and their parts by reference (`digits/query`); each dataset once. */
export function itemLoader(loaded: LoadedConfig): (reference: string) => Promise<ItemSet> {
  const datasets = new Map<string, ItemSet>();
  return async (reference) => {
    const { name, part, definition } = datasetDefinition(loaded, reference);
    const whole = datasets.get(name) ?? (await loadDataset(definition, name, loaded.folder));
    datasets.set(name, whole);
    return selectPart(whole, definition, part);
  };
}

/** The query set and the gallery; one object when they are the same items. */
export async function loadItems(
  loaded: LoadedConfig,
  pair: Pick<Pair, 'queries' | 'gallery'>,
  load = itemLoader(loaded),
): Promise<{ queries: ItemSet; gallery: ItemSet }> {
  const queries = await load(pair.queries);
  return { queries, gallery: pair.gallery === pair.queries ? queries : await load(pair.gallery) };
}

/**
 * A gate that cannot be judged must not cost an hour first.
 * @throws BackcompatError `bad-config` at the rule's place
 */
export function checkGates(loaded: LoadedConfig, measured: Measured): void {
  for (const [rule, , limit] of activeGates(loaded.config.gates ?? {})) {
    try {
      checkGateRule(rule, limit, measured);
    } catch (error) {
      if (!(error instanceof BackcompatError)) throw error;
      throw configError(loaded, ['gates', rule], error.message, error.remedy ?? undefined);
    }
  }
}

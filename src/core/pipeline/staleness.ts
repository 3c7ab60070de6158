import { findPairs, type LoadedConfig, loadConfig, type Pair } from '../config/loadConfig.ts';
import { BackcompatError, isCancellation } from '../contract/errors.ts';
import type { ModelDescription, Report } from '../contract/report.ts';
import { TOOL } from '../contract/version.ts';
import { openCheckpoint } from '../models/checkpoint.ts';
import type { AuditHooks, AuditRequest } from './auditRequest.ts';
import { hashItems, loadPair } from './loadPair.ts';
import { namedCheckpoint } from './namedCheckpoint.ts';
import { hashPair, loadItems, pairProtocol } from './pairDefinition.ts';

/** What an audit was asked, and whoever judges its report asks again. */
export type Staleness = (report: Report, request: AuditRequest, hooks: AuditHooks) => Promise<string[]>;

/**
 * What has changed of a pair since its report was made, a sentence each; empty when nothing has. Opens the
 * checkpoints and reads ids and labels, but embeds nothing.
 * @throws BackcompatError for a config that cannot be read; `cancelled`
 */
export const stalenessOf: Staleness = async (report, request, hooks) => {
  if (request.source.kind === 'tables') return tableChanges(report, request, hooks);
  const loaded = await loadConfig(request.source.file);
  const pair = pairNow(loaded, request.source);
  if (pair === null) return [`The config has no pair ${JSON.stringify(request.source.pair)}.`];

  const changes: string[] = [];
  for (const [role, now, then] of [
    ['old', pair.old, report.old],
    ['new', pair.new, report.new],
    ['paragon', pair.paragon, report.paragon],
    ...betweenVersions(pair, report),
  ] as const) {
    changes.push(...(await checkpointChanges(loaded, role, now, then, request, hooks)));
  }
  changes.push(...(await itemChanges(loaded, pair, report)));
  const hash = hashPair(loaded, pair, pairProtocol(loaded, pair, request.overrides));
  if (changes.length === 0 && hash !== report.provenance.config) changes.push(configChange(report));
  return changes;
};

function pairNow(loaded: LoadedConfig, source: Exclude<AuditRequest['source'], { kind: 'tables' }>): Pair | null {
  if (source.kind === 'trained') return source.pair;
  if (!Object.hasOwn(loaded.config.pairs ?? {}, source.pair)) return null;
  return findPairs(loaded, source.pair)[0] ?? null;
}

type Known = Pick<ModelDescription, 'name' | 'fingerprint'>;

/** Versions that are neither the first nor the last; one that the report does not know is none of its. */
function betweenVersions(pair: Pair, report: Report): ['middle', string, Known | null][] {
  const known = report.provenance.versions ?? {};
  return (pair.versions ?? []).slice(1, -1).map((name) => {
    const fingerprint = Object.hasOwn(known, name) ? known[name] : undefined;
    return ['middle', name, fingerprint === undefined ? null : { name, fingerprint }];
  });
}

async function checkpointChanges(
  loaded: LoadedConfig,
  role: string,
  now: string | null,
  then: Known | null,
  { cacheFolder, source }: AuditRequest,
  { progress, signal }: AuditHooks,
): Promise<string[]> {
  const shown = (name: string | null | undefined) => (name ? JSON.stringify(name) : 'none');
  if ((now ?? null) !== (then?.name ?? null)) {
    return [`The ${role} checkpoint of the pair is ${shown(now)}; the report is of ${shown(then?.name)}.`];
  }
  if (now === null || then === null) return [];
  try {
    const models = source.kind === 'trained' ? source.models : {};
    const known = Object.hasOwn(models, now) ? models[now] : undefined;
    const { definition, folder } = known ?? (await namedCheckpoint(loaded, now));
    const checkpoint = await openCheckpoint(now, definition, folder, {
      cacheFolder,
      progress,
      signal,
    });
    try {
      const same = (await checkpoint.fingerprint()) === then.fingerprint;
      return same ? [] : [`The ${role} checkpoint ${shown(now)} gives other vectors than when it was audited.`];
    } finally {
      await checkpoint.close();
    }
  } catch (error) {
    return [unreadable(`The ${role} checkpoint ${shown(now)}`, error)];
  }
}

async function itemChanges(loaded: LoadedConfig, pair: Pair, report: Report): Promise<string[]> {
  try {
    const { queries, gallery } = await loadItems(loaded, pair);
    const same = hashItems(queries, gallery) === report.provenance.dataset;
    return same ? [] : ['The items or labels of the queries or the gallery have changed.'];
  } catch (error) {
    return [unreadable('The queries or the gallery', error)];
  }
}

async function tableChanges(report: Report, request: AuditRequest, hooks: AuditHooks): Promise<string[]> {
  try {
    const pair = await loadPair(request, hooks);
    try {
      const changes = (['old', 'new'] as const)
        .filter((role) => pair.models[role].fingerprint !== report[role].fingerprint)
        .map((role) => `The tables of the ${role} model have changed.`);
      const same = hashItems(pair.queries, pair.gallery) === report.provenance.dataset;
      return same ? changes : [...changes, 'The ids or labels have changed.'];
    } finally {
      await pair.close();
    }
  } catch (error) {
    return [unreadable('What was audited', error)];
  }
}

/** What is gone or damaged has changed. @throws what is no fault of the input */
function unreadable(what: string, error: unknown): string {
  if (isCancellation(error) || !(error instanceof BackcompatError) || error.code === 'internal') throw error;
  return `${what} cannot be read: ${error.message}`;
}

function configChange({ provenance }: Report): string {
  if (provenance.config === null) return 'The report was made without a config.';
  const changed = 'The pair, its checkpoints, its datasets or the audit block of the config have changed';
  return provenance.tool === TOOL
    ? `${changed}.`
    : `${changed}, or ${TOOL} reads them otherwise than ${provenance.tool}.`;
}

import path from 'node:path';
import { splitReference } from '../../config/crossCheck.ts';
import type { LoadedConfig, Pair } from '../../config/loadConfig.ts';
import type { AuditRequest } from '../auditRequest.ts';
import { type NamedCheckpoint, readTrained } from '../namedCheckpoint.ts';

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
): Promise<Extract<AuditRequest['source'], { kind: 'trained' }>> {
  const models: Record<string, NamedCheckpoint> = {};
  for (const name of [pair.new, pair.paragon]) {
    if (name === null) continue;
    const [owner, part] = splitReference(name);
    if (owner === block) models[name] = await readTrained(name, path.join(directory, part ?? ''));
  }
  return { kind: 'trained', file: loaded.file, pair, models };
}

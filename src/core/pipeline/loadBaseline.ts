import path from 'node:path';
import { configError, loadConfig } from '../config/loadConfig.ts';
import { BackcompatError } from '../contract/errors.ts';
import type { NamedBaseline } from '../report/baseline.ts';
import { readReport } from '../report/reportFile.ts';
import type { AuditRequest } from './auditRequest.ts';

/**
 * The committed report that a request is compared with: the one given beside it, else the config's for
 * this pair; null when neither names one. Read before anything is computed.
 * @throws BackcompatError `not-found`, `bad-file`; `bad-config` at its place when the config names it
 */
export async function loadBaseline({
  source,
  baseline,
}: Pick<AuditRequest, 'source' | 'baseline'>): Promise<NamedBaseline | null> {
  if (baseline !== undefined) return { path: baseline, report: await readReport(baseline) };
  if (source.kind !== 'config') return null;
  const loaded = await loadConfig(source.file);
  const named = loaded.config.baseline;
  const given =
    typeof named === 'object' ? (Object.hasOwn(named, source.pair) ? named[source.pair] : undefined) : named;
  if (given === undefined) return null;
  try {
    return { path: given, report: await readReport(path.resolve(loaded.folder, given)) };
  } catch (error) {
    if (!(error instanceof BackcompatError)) throw error;
    const at = typeof named === 'object' ? ['baseline', source.pair] : ['baseline'];
    throw configError(
      loaded,
      at,
      `The baseline cannot be used: ${error.message}`,
      'Write one with: backcompat report RUN --format json -o FILE, or remove "baseline".',
    );
  }
}

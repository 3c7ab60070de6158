import path from 'node:path';
import { type OpenedAdapter, openAdapter } from '../audit/adapters/adapterFile.ts';
import { auditFigures } from '../audit/auditFigures.ts';
import { joinClasses } from '../audit/auditInput.ts';
import { BackcompatError } from '../contract/errors.ts';
import { explain } from '../contract/explanation.ts';
import { REPORT_FORMAT, REPORT_FORMAT_VERSION, type Report } from '../contract/report.ts';
import { TOOL } from '../contract/version.ts';
import { describeBaseline } from '../report/baseline.ts';
import { evaluateGates } from '../report/gates.ts';
import { assertFinite } from '../report/reportFile.ts';
import type { AuditHooks, AuditRequest } from './auditRequest.ts';
import { loadBaseline } from './loadBaseline.ts';
import { hashItems, type LoadedPair, loadPair } from './loadPair.ts';
import { makePreviews } from './previews.ts';

/**
 * The whole path from a request to a report: loads, embeds, measures, judges the gates.
 * Writes nothing but the embedding cache. Memory stays bounded: galleries are read in blocks.
 * @throws BackcompatError for anything wrong with what the request names; `cancelled`
 */
export async function auditPair(request: AuditRequest, hooks: AuditHooks): Promise<Report> {
  const started = performance.now();
  const baseline = await loadBaseline(request);
  const pair = await loadPair(request, hooks);
  const { queries, gallery, vectors, versions, protocol, models } = pair;
  let adapter: OpenedAdapter | null = null;
  try {
    if (protocol.adapterFile !== undefined) adapter = await openPairAdapter(request, protocol.adapterFile, pair);
    const figures = await auditFigures(
      {
        ...joinClasses(queries, gallery),
        vectors,
        ...(versions ? { versions } : {}),
        ...(adapter ? { adapter } : {}),
        protocol,
      },
      { threads: request.threads },
      hooks,
    );
    const report: Report = {
      format: REPORT_FORMAT,
      formatVersion: REPORT_FORMAT_VERSION,
      ...figures,
      pair: pair.name,
      ...models,
      gates: [],
      undecided: pair.undecided,
      provenance: {
        tool: TOOL,
        created: new Date().toISOString(),
        config: pair.configHash,
        dataset: hashItems(queries, gallery),
        ...(versions ? { versions: fingerprintsOf(versions) } : {}),
        seconds: Math.round(performance.now() - started) / 1000,
      },
    };
    report.verdict.explanation = explain(report);
    if (baseline !== null) report.baseline = describeBaseline(report, baseline);
    report.gates = evaluateGates(report, pair.gates, pair.undecided, { baseline: baseline?.report ?? null }).results;
    assertFinite(report);
    hooks.previews?.(await makePreviews(report, [queries, gallery], hooks));
    return report;
  } finally {
    await adapter?.close();
    await pair.close();
  }
}

/** A file that a config names lies beside it. */
async function openPairAdapter(
  { source, threads }: AuditRequest,
  file: string,
  pair: LoadedPair,
): Promise<OpenedAdapter> {
  if (pair.versions) {
    throw new BackcompatError(
      'usage',
      `The adapter ${file} maps one model into the space of another, and the pair ${JSON.stringify(pair.name)} compares many.`,
      {
        remedy: 'Audit two models with it: "old" and "new" in the place of "versions".',
      },
    );
  }
  const folder = source.kind === 'tables' ? '' : path.dirname(source.file);
  const { oldQuery, newQuery } = pair.vectors;
  const shape = { newColumns: newQuery.dimension, oldColumns: oldQuery.dimension };
  return openAdapter(path.resolve(folder, file), shape, threads);
}

function fingerprintsOf(versions: NonNullable<LoadedPair['versions']>): Record<string, string> {
  return Object.fromEntries(versions.map(({ name, description }) => [name, description.fingerprint]));
}

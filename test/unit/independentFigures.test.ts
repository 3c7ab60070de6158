import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { MetricName, Report } from '../../src/core/contract/report.ts';
import { auditPair } from '../../src/core/pipeline/auditPair.ts';
import reference from '../fixtures/independent/figures.json' with { type: 'json' };
import { silentProgress } from './silentProgress.ts';

/**
 * Figures of metrics.md that bench/reference/independentAudit.py computed from the definitions alone, in 64-bit
 * NumPy, with whole matrices and full sorts: the product streams, counts and histograms.
 */
const config = fileURLToPath(new URL('../fixtures/independent/backcompat.json', import.meta.url));
let cacheFolder: string;
let report: Report;
let versions: Report;

beforeAll(async () => {
  cacheFolder = await mkdtemp(path.join(os.tmpdir(), 'backcompat-independent-'));
  const audit = (pair: string) =>
    auditPair(
      { source: { kind: 'config', file: config, pair }, overrides: {}, threads: null, cacheFolder },
      { progress: silentProgress, signal: new AbortController().signal },
    );
  report = await audit('v1-v3');
  versions = await audit('all');
});
afterAll(() => rm(cacheFolder, { recursive: true, force: true }));

/** Numbers to 1e-6 (float32 products against float64), everything else exactly; keys of `expected` only. */
function holds(found: unknown, expected: unknown, at: string): void {
  if (typeof expected === 'number') {
    expect(found, at).toBeTypeOf('number');
    expect(Math.abs((found as number) - expected), `${at}: ${found} against ${expected}`).toBeLessThan(2e-6);
  } else if (Array.isArray(expected)) {
    expect((found as unknown[]).length, at).toBe(expected.length);
    expected.forEach((entry, index) => {
      holds((found as unknown[])[index], entry, `${at}[${index}]`);
    });
  } else if (typeof expected === 'object' && expected !== null) {
    for (const [key, entry] of Object.entries(expected)) holds((found as never)?.[key], entry, `${at}.${key}`);
  } else expect(found, at).toBe(expected);
}

describe('a whole audit against figures computed elsewhere', () => {
  it('has the same sets', () => {
    const { queries, gallery, sharedItems, queriesWithoutMatch } = report.data;
    expect({ queries, gallery, shared: sharedItems, withoutMatch: queriesWithoutMatch }).toEqual({
      queries: reference.queries,
      gallery: reference.gallery,
      shared: reference.shared,
      withoutMatch: reference.withoutMatch,
    });
  });

  it.each(['oldOld', 'newOld', 'newNew', 'oldNew'] as const)('retrieves the same in %s', (cell) => {
    for (const [metric, value] of Object.entries(reference.cells[cell])) {
      holds(report.retrieval[cell]?.[metric as MetricName]?.value, value, `${cell}.${metric}`);
    }
  });

  it('has the same thresholds, and accepts the same pairs at them', () => {
    holds(report.verification, reference.verification, 'verification');
  });

  it('has the same backfill curves', () => {
    holds(report.backfill, reference.backfill, 'backfill');
  });

  it('has the same slices', () => {
    const found = [...(report.slices.kind ?? [])].sort((a, b) => (a.value < b.value ? -1 : 1));
    const expected = [...reference.slices].sort((a, b) => (a.value < b.value ? -1 : 1));
    holds(found, expected, 'slices');
  });

  it('has the same hubs', () => {
    const violationsOf = new Map(report.worst.hubs.map(({ gallery, violations }) => [gallery, violations]));
    for (const { gallery, violations } of reference.hubs) expect(violationsOf.get(gallery), gallery).toBe(violations);
  });

  it('has the same AdvBCT scores', () => {
    holds(report.advbct, reference.advbct, 'advbct');
  });

  it('has the same version matrix', () => {
    holds(versions.matrix, reference.matrix, 'matrix');
  });
});

import { createHash } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import figures from '../../bench/reference/sampleFigures.json' with { type: 'json' };
import type { MetricName, Report } from '../../src/core/contract/report.ts';
import { auditPair } from '../../src/core/pipeline/auditPair.ts';
import { silentProgress } from './silentProgress.ts';

/**
 * The product's whole path (config, digits, ONNX models, audit, report) against figures that independent
 * code computed in float64 from PyTorch's vectors (bench/reference/makeSampleCheckpoints.py).
 */
const root = fileURLToPath(new URL('../../', import.meta.url));
const assets = path.join(root, 'dist/sample');
const checkpoints = path.join(root, 'test/fixtures/sample');
const preprocess = { size: [28, 28], channels: 1, mean: [0.5], std: [0.5] };
const pair = (fresh: string) => ({ old: 'v1', new: fresh, queries: 'digits/query', gallery: 'digits/gallery' });
const config = {
  datasets: {
    digits: {
      idx: {
        images: path.join(assets, 'digits-images.idx3-ubyte'),
        labels: path.join(assets, 'digits-labels.idx1-ubyte'),
      },
      splits: { train: 0.6, gallery: 0.3, query: 0.1 },
      seed: 0,
    },
  },
  checkpoints: {
    v1: { model: path.join(checkpoints, 'old.onnx'), preprocess },
    'v2-independent': { model: path.join(checkpoints, 'independent.onnx'), preprocess },
    'v2-compatible': { model: path.join(checkpoints, 'compatible.onnx'), preprocess },
  },
  pairs: {
    'v1-v2-independent': pair('v2-independent'),
    'v1-v2-compatible': { ...pair('v2-compatible'), paragon: 'v2-independent' },
  },
};
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), 'backcompat-sample-'));
  await writeFile(path.join(folder, 'backcompat.json'), JSON.stringify(config));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

function audit(pair: string, threads: number | null = null): Promise<Report> {
  return auditPair(
    {
      source: { kind: 'config', file: path.join(folder, 'backcompat.json'), pair },
      overrides: {},
      threads,
      cacheFolder: path.join(folder, 'cache'),
    },
    { progress: silentProgress, signal: new AbortController().signal },
  );
}

async function sha256(file: string): Promise<string> {
  return createHash('sha256')
    .update(await readFile(file))
    .digest('hex');
}

describe('the sample', () => {
  it('has the digits and checkpoints that the reference figures were computed from', async () => {
    for (const [name, expected] of Object.entries(figures.sha256)) {
      const file = name === 'digits.idx' ? path.join(assets, 'digits-images.idx3-ubyte') : path.join(checkpoints, name);
      expect(await sha256(file), name).toBe(expected);
    }
  });
});

describe.each(figures.pairs)('the sample pair $new', (reference) => {
  let report: Report;
  beforeAll(async () => {
    report = await audit(`v1-v2-${reference.new}`);
  }, 60_000);

  it('has the same sets', () => {
    expect(report.data.queries).toBe(figures.items.query);
    expect(report.data.gallery).toBe(figures.items.gallery);
    expect(report.data.queriesWithoutMatch).toBe(0);
  });

  it.each(['oldOld', 'newOld', 'newNew'] as const)('retrieves as computed independently in %s', (cell) => {
    for (const [metric, expected] of Object.entries(reference.cells[cell])) {
      const found = report.retrieval[cell]?.[metric as MetricName];
      // Vectors agree with PyTorch's to 4e-7, which may swap a few neighbours of 3,000.
      expect(found?.value, `${cell} ${metric}`).toBeCloseTo(expected, metric.startsWith('cmc') ? 2.7 : 4);
    }
  });

  it.each(['positive', 'negative'] as const)('counts the %s violations exactly', (sign) => {
    const expected = reference.inequalities[sign];
    const found = report.inequalities[sign];
    expect(found.pairs).toBe(expected.pairs);
    for (const { epsilon, violations } of expected.byEpsilon) {
      expect(found.byEpsilon.find((entry) => entry.epsilon === epsilon)?.violations).toBe(violations);
    }
    expect(Math.abs((found.severity as number) - expected.severity)).toBeLessThan(1e-6);
  });

  it('has the same flips', () => {
    expect(report.flips.negativeFlipRate).toBeCloseTo(reference.flips.negativeFlipRate, 12);
    expect(report.flips.positiveFlipRate).toBeCloseTo(reference.flips.positiveFlipRate, 12);
  });

  it('has the same thresholds, and they do the same', () => {
    const { requestedFar, oldThreshold, cells } = reference.verification;
    const { verification, verdict } = report;
    const at = verification?.far.indexOf(requestedFar) ?? -1;
    // One pair may lie within rounding of a threshold.
    const { positive, negative } = reference.inequalities;
    const [onePositive, oneNegative] = [1.5 / positive.pairs, 1.5 / negative.pairs];
    const expectNear = (found: number | null | undefined, value: number, within: number) =>
      expect(Math.abs((found as number) - value)).toBeLessThanOrEqual(within);
    expectNear(verification?.cells.oldOld?.[at]?.threshold, oldThreshold, 1e-6);
    expectNear(verification?.cells.oldOld?.[at]?.tar, cells.oldOld.tar, onePositive);
    for (const cell of ['newOld', 'newNew'] as const) {
      const found = verification?.transfer[cell]?.[at];
      expectNear(found?.oldThreshold, oldThreshold, 1e-6);
      expectNear(found?.farAtOldThreshold, cells[cell].far, oneNegative);
      expectNear(found?.tarAtOldThreshold, cells[cell].tar, onePositive);
      expectNear(found?.restoringThreshold, cells[cell].restoringThreshold, 1e-6);
      expectNear(found?.tarAtRestoringThreshold, cells[cell].restoredTar, onePositive);
    }
    // The old threshold accepts next to nothing of new queries, and no other one restores the old TAR.
    expect(verdict.thresholds).toBe('broken');
  });
});

describe('the sample verdicts', () => {
  it('tells the independent model from the compatible one', async () => {
    const [independent, compatible] = [await audit('v1-v2-independent'), await audit('v1-v2-compatible')];
    expect(independent.verdict.state).toBe('incompatible');
    expect(compatible.verdict.state).toBe('compatible');
    expect(compatible.verdict.inequalities).toBe('violated');
    expect(compatible.updateGain.map?.against).toBe('paragon');
    expect(compatible.tax?.map).toBeCloseTo(
      (compatible.paragonCells?.newNew.map?.value ?? Number.NaN) - (compatible.retrieval.newNew?.map?.value ?? 0),
      12,
    );
  });

  it('does not depend on the number of threads', async () => {
    const [one, two] = [await audit('v1-v2-compatible', 1), await audit('v1-v2-compatible', 2)];
    const figuresOf = ({ provenance: _, ...report }: Report) => report;
    expect(flatten(figuresOf(one))).toEqual(
      new Map([...flatten(figuresOf(two))].map(([key, value]) => [key, closeTo(value)])),
    );
  });
});

function closeTo(value: unknown): unknown {
  return typeof value === 'number' && !Number.isInteger(value) ? expect.closeTo(value, 5) : value;
}

/** Leaf values by dotted path; lists of the worst are left out, as near ties may change places. */
function flatten(value: unknown, at = '', into = new Map<string, unknown>()): Map<string, unknown> {
  if (at === '.worst') return into;
  if (typeof value === 'object' && value !== null) {
    for (const [key, entry] of Object.entries(value)) flatten(entry, `${at}.${key}`, into);
  } else into.set(at, value);
  return into;
}

import { rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { buildBundle } from '../../scripts/build.mjs';
import { bundledCountingWorker } from '../../src/core/audit/countingThread.ts';
import { MOST_KEPT } from '../../src/core/audit/distanceCounts.ts';
import { measureRetrieval, type RetrievalFigures, type RetrievalInput } from '../../src/core/audit/retrieval.ts';
import { BlockReader, formFor, loadMatrix } from '../../src/core/audit/vectors.ts';
import type { VerificationCounts } from '../../src/core/audit/verificationPass.ts';
import { measureWithThresholds, planVerification } from '../../src/core/audit/verificationPlan.ts';
import type { Distance } from '../../src/core/contract/report.ts';
import { vectorsInMemory } from '../../src/core/data/vectorSource.ts';
import { errorOf } from '../fixtures/data/make.ts';
import { randomCase, setupOf, silent } from './retrievalReference.ts';

const folder = fileURLToPath(new URL('../../test-output/countingThread/', import.meta.url));
const workerFile = path.join(folder, 'countingWorker.js');

beforeAll(() => buildBundle('countingWorker', { outdir: folder }));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface CaseOptions {
  queries?: number;
  gallery?: number;
  scoreBytes?: number;
  counting?: RetrievalInput['counting'];
}

/** Both models' queries on one gallery, with all that is counted. */
async function countCase(distance: Distance, options: CaseOptions): Promise<RetrievalFigures> {
  const columns = 8;
  const { queries: queryCount = 101, gallery: galleryCount = 777, ...rest } = options;
  const { queries, gallery, newQuery } = randomCase(31, {
    queries: queryCount,
    gallery: galleryCount,
    classes: 9,
    columns,
  });
  queries.ids[3] = gallery.ids[40] as string;
  queries.labels[3] = gallery.labels[40] as string;
  const form = formFor(distance, columns);
  const source = (values: Float32Array) => vectorsInMemory('vectors', values, columns);
  const setup = setupOf(queries, gallery);
  const cells = [
    { name: 'oldOld' as const, query: await loadMatrix(source(queries.vectors), form) },
    { name: 'newOld' as const, query: await loadMatrix(source(newQuery), form) },
  ];
  const planned = cells.map((cell) => ({ ...cell, gallery: source(gallery.vectors), form }));
  const plan = await planVerification(planned, setup, { operatingFar: 0.01, seed: 0 });
  return measureWithThresholds(
    {
      distance,
      cells,
      gallery: new BlockReader(source(gallery.vectors), form, galleryCount),
      setup,
      threads: 1,
      // For dot distances this is not the axis of ranking.
      histogramEdges: Array.from({ length: 41 }, (_, e) => 100 * (e - 20)),
      triplets: { count: 5000, seed: 2 },
      ...rest,
    },
    plan,
    null,
    { progress: silent },
  );
}

/** What is counted of the thresholds, asked rather than compared: the order in which distances are kept does not matter. */
function thresholdsOf({ cells, both, oldThresholds, accepted, stretches }: VerificationCounts) {
  const asked = [...cells.values(), both].map((signs) => {
    const negative = signs?.negative;
    const limits = [0, 1, 17, 180, 2000, 20_000].map((limit) => negative?.largestWithin(limit));
    const places = limits.flatMap((distance) => (typeof distance === 'number' ? [distance, distance + 1e-4] : []));
    const counts = places.map((distance) => [negative?.atMost(distance), signs?.positive.atMost(distance)]);
    return { limits, counts, total: signs?.positive.total };
  });
  return { asked, oldThresholds, accepted, stretches };
}

function expectSame(found: RetrievalFigures, expected: RetrievalFigures): void {
  expect(found.perQuery).toEqual(expected.perQuery);
  expect(found.histograms).toEqual(expected.histograms);
  expect(found.triplets).toEqual(expected.triplets);
  expect(thresholdsOf(found.verification as VerificationCounts)).toEqual(
    thresholdsOf(expected.verification as VerificationCounts),
  );
}

describe('threads that count', () => {
  it.each(['cosine', 'euclidean', 'dot'] as const)('count bit by bit what one does: %s', async (distance) => {
    const alone = await countCase(distance, {});
    expect(alone.triplets?.inverted.some((count) => count > 0)).toBe(true);
    for (const threads of [1, 3]) {
      expectSame(await countCase(distance, { counting: { threads, workerFile } }), alone);
    }
    // Rows that are put together, a few of them at a time, and fewer at the end than threads.
    const few = { scoreBytes: 2 * 777 * 4 * 6, counting: { threads: 2, workerFile } };
    expectSame(await countCase(distance, few), await countCase(distance, { scoreBytes: few.scoreBytes }));
  });

  it('count bit by bit what one does where distances are too many to keep', async () => {
    const size = { queries: 700, gallery: 4000 };
    expect(size.queries * size.gallery).toBeGreaterThan(2 * MOST_KEPT);
    const alone = await countCase('cosine', size);
    expectSame(await countCase('cosine', { ...size, counting: { threads: 2, workerFile } }), alone);
  });

  it('are found by the bundle beside the running one, if any', async () => {
    expect(bundledCountingWorker()).toBeNull();
    await buildBundle('countingWorker', {
      entryPoints: [{ in: 'src/core/audit/countingThread.ts', out: 'running' }],
      outdir: folder,
    });
    const running = await import(pathToFileURL(path.join(folder, 'running.js')).href);
    expect(running.bundledCountingWorker()).toBe(workerFile);
  });

  it('are done without where none can start', async () => {
    const counting = { threads: 2, workerFile: path.join(folder, 'none.js') };
    expectSame(await countCase('cosine', { counting }), await countCase('cosine', {}));
  });

  it('say so when one ends by itself', async () => {
    const broken = path.join(folder, 'broken.mjs');
    writeFileSync(
      broken,
      "import { parentPort } from 'node:worker_threads'; parentPort.on('message', () => process.exit(3)); parentPort.postMessage('ready');",
    );
    const { code, message } = await errorOf(countCase('cosine', { counting: { threads: 1, workerFile: broken } }));
    expect({ code, message }).toEqual({
      code: 'internal',
      message: 'A thread that counts distances ended by itself (status 3).',
    });
  });

  it('end when an audit is cancelled', async () => {
    const { queries, gallery } = randomCase(10, { queries: 64, gallery: 512, classes: 2, columns: 4 });
    const form = formFor('cosine', 4);
    const controller = new AbortController();
    const running = measureRetrieval(
      {
        distance: 'cosine',
        cells: [{ name: 'oldOld', query: await loadMatrix(vectorsInMemory('q', queries.vectors, 4), form) }],
        gallery: new BlockReader(vectorsInMemory('g', gallery.vectors, 4), form, 512),
        setup: setupOf(queries, gallery),
        threads: 1,
        counting: { threads: 1, workerFile },
      },
      {
        progress: { ...silent, breathe: async () => controller.abort() },
        signal: controller.signal,
      },
    );
    expect((await errorOf(running)).code).toBe('cancelled');
  });
});

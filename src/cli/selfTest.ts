import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { gatesExitStatus, gatesTitle, summarise } from '../core/contract/findings.ts';
import type { Report } from '../core/contract/report.ts';
import { UNMEASURED_RULE, writePlantedPairs } from '../core/pipeline/plantedPairs.ts';
import { evaluateGates } from '../core/report/gates.ts';
import { cacheFolder } from '../core/runs/runDirectory.ts';
import type { Output } from './output.ts';
import type { CliServices } from './services.ts';
import { silentHooks } from './silentHooks.ts';

const SEED = 0;

/**
 * Audits a planted good and a planted bad pair on the way that every audit takes, and judges them: the
 * good one must pass, the bad one must fail, and a gate on a figure that there is not must not pass.
 * @returns 0 when all three hold, else 1; 130 when it is interrupted
 */
export async function selfTest(services: CliServices, output: Output): Promise<number> {
  const interrupt = new AbortController();
  const stop = () => interrupt.abort();
  process.once('SIGINT', stop);
  process.once('SIGTERM', stop);
  const folder = await mkdtemp(path.join(os.tmpdir(), 'backcompat-selftest-'));
  try {
    const { configFile, words } = await writePlantedPairs(folder, SEED);
    output.text(`Planted pairs: ${words}.\n`);
    const audit = (pair: string): Promise<Report> =>
      services.auditPair(
        {
          source: { kind: 'config', file: configFile, pair },
          overrides: {},
          threads: null,
          cacheFolder: cacheFolder(folder),
        },
        silentHooks(interrupt.signal),
      );
    const good = await audit('good');
    const bad = await audit('bad');
    const missing = evaluateGates(good, { [UNMEASURED_RULE]: ['error', { min: 0 }] }, 'pass');
    const tried = [
      { name: 'good: same space, less noise', says: said(good), status: gatesExitStatus(good), expected: 0 },
      { name: 'bad: a space of its own', says: said(bad), status: gatesExitStatus(bad), expected: 3 },
      {
        name: 'a figure that there is not',
        says: `${missing.results[0]?.message}`,
        status: missing.exitStatus,
        expected: 3,
      },
    ];
    for (const { name, says, status, expected } of tried) {
      const found = status === expected ? '✓' : '✗';
      output.text(`${found} ${name}\n    ${says}\n    exit status ${status}, expected ${expected}\n`);
    }
    const apart = tried.every(({ status, expected }) => status === expected);
    output.text(apart ? 'The gates tell them apart.\n' : 'The gates do not tell them apart.\n');
    return apart ? 0 : 1;
  } finally {
    process.off('SIGINT', stop);
    process.off('SIGTERM', stop);
    await rm(folder, { recursive: true, force: true });
  }
}

function said(report: Report): string {
  return `${summarise(report)} ${gatesTitle(report.gates)}.`;
}

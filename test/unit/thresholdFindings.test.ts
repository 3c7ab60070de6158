import { describe, expect, it } from 'vitest';
import { plain, summarise, verdictRows } from '../../src/core/contract/findings.ts';
import type { Report, ThresholdState } from '../../src/core/contract/report.ts';
import { operatingTransfer, thresholdPhrases } from '../../src/core/contract/thresholdFindings.ts';
import { fullReport } from '../fixtures/report/fullReport.ts';
import { sampleReport } from '../fixtures/report/sampleReport.ts';

function withState(thresholds: ThresholdState): Report {
  const report = fullReport();
  report.verdict.thresholds = thresholds;
  return report;
}

describe('thresholds in the verdict', () => {
  it.each([
    ['kept', 'the old threshold holds (.071)'],
    ['restorable', 'thresholds must move from .071 to .523'],
    ['broken', 'no threshold restores verification (TAR .634 at best, .287 before)'],
  ] as const)('%s', (state, words) => {
    const report = withState(state);
    expect(plain(thresholdPhrases(report))).toBe(words);
    expect(summarise(report).split('; ')[1]).toBe(words);
    const [, row] = verdictRows(report);
    expect(row?.word.toLowerCase()).toBe(state);
    expect(row?.text).toMatch(/^At a false accept rate of 1 %, (the|no) .*\.071/);
  });

  it('follow the rate that the service runs at', () => {
    const report = withState('restorable');
    report.protocol.operatingFar = 0.001;
    expect(plain(thresholdPhrases(report))).toBe('thresholds must move from .033 to .421');
    expect(operatingTransfer(report)?.far).toBe(0.001);
  });

  it('say why there are none', () => {
    const few = sampleReport();
    few.data.negativePairs = 90;
    const [, row] = verdictRows(few);
    expect(row).toMatchObject({ word: 'Not measured', tone: 'absent' });
    expect(row?.text).toBe(
      'A threshold at a false accept rate of 10 % needs 100 different-class pairs; this audit has 90 different-class pairs.',
    );
    expect(summarise(few)).toContain('; thresholds were not measured;');
    // Measured at .1 only: the verdict's own rate has too few pairs.
    const coarse = fullReport();
    coarse.verdict.thresholds = null;
    coarse.data.negativePairs = 500;
    expect(verdictRows(coarse)[1]?.text).toContain('false accept rate of 1 % needs 1,000 different-class pairs');
  });
});

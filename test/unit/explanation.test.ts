import { describe, expect, it } from 'vitest';
import { explain } from '../../src/core/contract/explanation.ts';
import type {
  DiagnosisCode,
  InequalityState,
  RankingState,
  Report,
  ThresholdState,
} from '../../src/core/contract/report.ts';
import { operatingTransfer } from '../../src/core/contract/thresholdFindings.ts';
import { fullReport, unlabelledReport } from '../fixtures/report/fullReport.ts';
import { expectGolden } from './golden.ts';

interface States {
  ranking: RankingState;
  thresholds: ThresholdState | null;
  inequalities: InequalityState | null;
  found?: DiagnosisCode[];
  metric?: Report['verdict']['metric'];
  remedies?: boolean;
}

const figures: Record<RankingState, [old: number, now: number, half: number]> = {
  compatible: [0.556, 0.74, 0.016],
  'within-margin': [0.556, 0.556, 0],
  undecided: [0.556, 0.561, 0.016],
  incompatible: [0.556, 0.141, 0.012],
};

/** The full report with other states, and figures that go with them. */
function reportWith({
  ranking,
  thresholds,
  inequalities,
  found = [],
  metric = 'map',
  remedies = true,
}: States): Report {
  const report = fullReport();
  report.verdict = { ...report.verdict, state: ranking, thresholds, inequalities, metric };
  const [old, now, half] = figures[ranking];
  report.criterion[metric] = {
    old,
    new: now,
    difference: now - old,
    interval: [now - old - half, now - old + half],
    state: ranking,
    queriesToDecide: ranking === 'undecided' ? 4200 : null,
  };
  const strict = report.inequalities.positive.byEpsilon[0];
  if (strict && inequalities !== 'violated') strict.rate = inequalities === 'kept' ? 0.12 : 0.503;
  const transfer = operatingTransfer(report);
  if (transfer && thresholds === 'kept')
    Object.assign(transfer, { tarAtOldThreshold: 0.301, farAtOldThreshold: 0.0104 });
  if (transfer && thresholds === 'broken') Object.assign(transfer, { tarAtRestoringThreshold: 0.104 });
  if (thresholds === null) report.verification = null;
  report.diagnosis = report.diagnosis.map((cause) => ({ ...cause, found: found.includes(cause.code) }));
  if (!remedies) report.remedies = [];
  return report;
}

const cases: [title: string, states: States][] = [
  ['all well', { ranking: 'compatible', thresholds: 'kept', inequalities: 'kept' }],
  ['the same model', { ranking: 'within-margin', thresholds: 'kept', inequalities: 'as-noise' }],
  [
    'ranks better, distances elsewhere, threshold moves',
    { ranking: 'compatible', thresholds: 'restorable', inequalities: 'violated', found: ['offset'] },
  ],
  [
    'ranks better, no threshold',
    { ranking: 'compatible', thresholds: 'broken', inequalities: 'violated', found: ['offset'] },
  ],
  ['ranks better, thresholds unknown', { ranking: 'compatible', thresholds: null, inequalities: 'kept' }],
  ['nothing works', { ranking: 'incompatible', thresholds: 'broken', inequalities: 'violated', found: ['rotation'] }],
  [
    'nothing works, no remedy tried',
    { ranking: 'incompatible', thresholds: null, inequalities: 'violated', remedies: false },
  ],
  ['ranks worse, threshold holds', { ranking: 'incompatible', thresholds: 'kept', inequalities: 'as-noise' }],
  ['open', { ranking: 'undecided', thresholds: 'restorable', inequalities: 'as-noise', found: ['few-queries'] }],
  [
    'faults of the data',
    { ranking: 'compatible', thresholds: 'kept', inequalities: 'violated', found: ['label-map', 'duplicates'] },
  ],
  ['first place decides', { ranking: 'compatible', thresholds: 'kept', inequalities: 'kept', metric: 'cmc@1' }],
  ['R-precision decides', { ranking: 'within-margin', thresholds: 'kept', inequalities: 'kept', metric: 'rPrecision' }],
];

describe('the paragraph in plain words', () => {
  it('reads as it was accepted', () => {
    const paragraphs = cases.map(([title, states]) => `${title}\n${explain(reportWith(states))}\n`);
    const mapped = reportWith({ ranking: 'compatible', thresholds: 'restorable', inequalities: 'violated' });
    mapped.protocol = { ...mapped.protocol, dimensionRule: 'project', adapter: 'linear' };
    paragraphs.push(`an adapter is part of it\n${explain(mapped)}\n`);
    paragraphs.push(`no labels\n${explain(unlabelledReport())}\n`);
    expectGolden('explanation.txt', paragraphs.join('\n'));
  });

  it('claims nothing that the states do not say, in any combination', () => {
    for (const ranking of ['compatible', 'within-margin', 'undecided', 'incompatible'] as const) {
      for (const thresholds of ['kept', 'restorable', 'broken', null] as const) {
        for (const inequalities of ['kept', 'as-noise', 'violated'] as const) {
          const text = explain(reportWith({ ranking, thresholds, inequalities }));
          const where = `${ranking}, ${thresholds}, ${inequalities}: ${text}`;
          expect(text, where).not.toMatch(/undefined|NaN|null|\u2013|\s\s|\.\./);
          const sentences = text.split(/[.:]\s(?=[A-Z])/).length;
          expect(sentences, where).toBeGreaterThanOrEqual(4);
          expect(sentences, where).toBeLessThanOrEqual(9);
          const ranks = ranking === 'compatible' || ranking === 'within-margin';
          expect(text.includes('may search the old gallery:'), where).toBe(ranks);
          expect(text.includes('must not search'), where).toBe(ranking === 'incompatible');
          expect(/can (be shipped|ship)/.test(text), where).toBe(ranks);
          expect(text.includes('Do not ship'), where).toBe(ranking === 'incompatible');
          expect(text.includes('Do not decide'), where).toBe(ranking === 'undecided');
          expect(text.includes('keeps its threshold'), where).toBe(thresholds === 'kept');
          expect(text.includes('must move its threshold'), where).toBe(thresholds === 'restorable');
          expect(text.includes('no threshold left'), where).toBe(thresholds === 'broken');
          expect(text.includes('threshold would decide was not measured'), where).toBe(thresholds === null);
          expect(text.includes('they did change'), where).toBe(inequalities === 'violated');
          expect(text.includes('That is no contradiction'), where).toBe(ranks && inequalities === 'violated');
          expect(text.includes('narrow cone'), where).toBe(ranks && inequalities === 'violated');
          expect(text.includes('Found as'), where).toBe(false);
        }
      }
    }
  });

  it('speaks of a narrow cone only where old vectors lie in one', () => {
    const report = reportWith({ ranking: 'compatible', thresholds: 'kept', inequalities: 'violated' });
    report.histograms.oldOld = report.histograms.newOld;
    expect(explain(report)).not.toContain('cone');
    expect(explain(report)).toContain('distances within and between classes moved');
  });

  it('takes every figure from the report', () => {
    const report = reportWith({ ranking: 'incompatible', thresholds: 'broken', inequalities: 'violated' });
    const text = explain(report);
    // The cheapest remedy that reaches the criterion, its estimate, and a full backfill.
    expect(text).toContain('rotating new queries with one fitted matrix: estimated mAP .787');
    expect(text).toContain('would give mAP .922');
    report.remedies = report.remedies.map((remedy) => ({ ...remedy, reachesCriterion: false }));
    expect(explain(report)).toContain('None of the remedies that were tried reaches the old model.');
    report.retrieval.newNew = null;
    expect(explain(report)).not.toContain('Embedding the whole gallery again');
  });
});

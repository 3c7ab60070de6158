import { describe, expect, it } from 'vitest';
import { comparedCurves } from '../../src/core/contract/comparison.ts';
import {
  acrossReports,
  cmcOverlayTitle,
  comparisonNotes,
  comparisonSentence,
  comparisonTitle,
  differenceText,
  flippedText,
  momentsOf,
  tarAt,
} from '../../src/core/contract/comparisonFindings.ts';
import { plain } from '../../src/core/contract/findings.ts';
import type { Report } from '../../src/core/contract/report.ts';
import { compareReports } from '../../src/core/report/compareReports.ts';
import { renderComparisonMarkdown, renderComparisonText } from '../../src/core/report/renderComparison.ts';
import { displayWidth } from '../../src/core/report/terminal.ts';
import { fullReport, hostileFullReport, unlabelledReport } from '../fixtures/report/fullReport.ts';
import { bareReport, incompatibleReport, sampleReport } from '../fixtures/report/sampleReport.ts';
import { expectGolden } from './golden.ts';

function changed(change: (report: Report) => void): Report {
  const report = sampleReport();
  change(report);
  return report;
}

describe('comparison', () => {
  it('finds nothing between a report and itself', () => {
    const comparison = compareReports([sampleReport(), sampleReport()]);
    expect(comparison.differences).toEqual([]);
    expect(comparisonTitle(comparison)).toBe('No key figure differs');
    expect(comparison.figures.map(({ values }) => values.length)).toEqual(comparison.figures.map(() => 2));
  });

  it('puts clear differences first, then the larger', () => {
    const other = changed((report) => {
      // By hand: .740 [.724, .754] against .76 [.75, .77] overlaps, .556 against .6 [.59, .61] does not.
      report.retrieval.newOld.map = { value: 0.76, interval: [0.75, 0.77] };
      report.retrieval.oldOld.map = { value: 0.6, interval: [0.59, 0.61] };
      // .013 [.0076, .0221] against .05 [.04, .06]: clear, and worse.
      Object.assign(report.flips, { negativeFlipRate: 0.05, negativeFlipRateInterval: [0.04, 0.06] });
      // No interval: never clear.
      Object.assign(report.triplets, { inverted: 0.9, interval: null });
    });
    const { differences } = compareReports([sampleReport(), other]);
    expect(differences.map(({ rule, clarity, better }) => [rule, clarity, better])).toEqual([
      ['retrieval.oldOld.map', 'clear', true],
      ['flips.negativeFlipRate', 'clear', false],
      ['triplets.inverted', 'unknown', false],
      ['retrieval.newOld.map', 'open', true],
    ]);
    expect(differences[0]).toMatchObject({ report: 1, from: 0.556, to: 0.6 });
    expect(differences[0]?.change).toBeCloseTo(0.044, 12);
  });

  it('touching intervals overlap', () => {
    const one = changed((report) => {
      report.retrieval.newOld.map = { value: 0.5, interval: [0.4, 0.6] };
    });
    const touching = changed((report) => {
      report.retrieval.newOld.map = { value: 0.7, interval: [0.6, 0.8] };
    });
    const apart = changed((report) => {
      report.retrieval.newOld.map = { value: 0.7, interval: [0.6000001, 0.8] };
    });
    const clarity = (other: Report) => compareReports([one, other]).differences[0]?.clarity;
    expect([clarity(touching), clarity(apart)]).toEqual(['open', 'clear']);
  });

  it('shows reports of other protocols or data, and compares nothing with them', () => {
    const other = changed(({ protocol, provenance, retrieval }) => {
      protocol.distance = 'dot';
      provenance.dataset = 'other';
      retrieval.newOld.map = { value: 0.1, interval: [0.09, 0.11] };
    });
    const comparison = compareReports([sampleReport(), other]);
    expect(comparison.differences).toEqual([]);
    expect(comparison.reports[1]?.problems).toEqual([
      { text: 'Distance: cosine in A, dot in B.', reach: 'everything' },
      { text: expect.stringContaining('Items and labels: '), reach: 'everything' },
    ]);
    expect(comparisonTitle(comparison)).toBe('These reports answer different questions');
    expect(comparison.figures.find(({ rule }) => rule === 'retrieval.newOld.map')?.values[1]?.value).toBe(0.1);
    const text = renderComparisonText(comparison, { width: 100, colour: false });
    expect(text).toContain('! Distance: cosine in A, dot in B. B against A: no figure can be compared.');
  });

  it.each([
    ['tolerances', { epsilons: [0.1] }, 'inequalities.', 'Violations cannot be compared.'],
    ['operating FAR', { operatingFar: 0.1 }, 'verification.', 'Figures of thresholds cannot be compared.'],
  ] as const)('of other %s compares what that leaves', (_, protocol, rule, words) => {
    const [one, other] = [fullReport(), fullReport()];
    Object.assign(other.protocol, protocol);
    other.retrieval.newOld.map = { value: 0.1, interval: [0.09, 0.11] };
    for (const entry of other.inequalities.positive.byEpsilon)
      Object.assign(entry, { rate: 0.2, interval: [0.1, 0.3] });
    for (const entry of other.verification?.transfer.newOld ?? []) entry.tarAtOldThreshold = 0.9;
    const comparison = compareReports([one, other]);
    const rules = comparison.differences.map((difference) => difference.rule);
    expect(rules).toContain('retrieval.newOld.map');
    expect(rules.filter((each) => each.startsWith(rule))).toEqual([]);
    expect(comparisonNotes(comparison)).toMatchObject([
      { reach: `B against A: ${words.charAt(0).toLowerCase()}${words.slice(1)}`, isWarning: true },
    ]);
    expect(comparisonTitle(comparison)).toMatch(/differ/);
  });

  it('takes the rule for dimensions as a part of what is compared, and calls nothing clear across bootstrap units', () => {
    const candidates = compareReports([
      incompatibleReport(),
      changed(({ protocol }) => {
        Object.assign(protocol, { dimensionRule: 'project', adapter: 'linear' });
      }),
    ]);
    expect(candidates.differences[0]?.clarity).toBe('clear');
    expect(comparisonNotes(candidates)).toEqual([
      {
        text: 'Dimension rule: equal in A, project by linear in B.',
        reach: 'It is a part of what is compared.',
        isWarning: false,
      },
    ]);
    const units = compareReports([
      incompatibleReport(),
      changed(({ protocol }) => {
        protocol.bootstrap.unit = 'class';
      }),
    ]);
    expect(new Set(units.differences.map(({ clarity }) => clarity))).toEqual(new Set(['unknown']));
  });

  it('counts the queries that became wrong in both, where both lists are whole', () => {
    const flipped = (report: Report, ids: string[], of = ids.length) => {
      const [sample] = report.worst.flippedQueries;
      if (sample === undefined) throw new Error('The sample has no flipped query.');
      report.worst.flippedQueries = ids.map((query) => ({ ...sample, query }));
      report.flips.flippedQueries = of;
    };
    const one = changed((report) => flipped(report, ['a', 'b', 'c']));
    const two = changed((report) => flipped(report, ['b', 'c', 'd', 'e']));
    const cut = changed((report) => flipped(report, ['a'], 2000));
    const { reports } = compareReports([one, two, cut, unlabelledReport()]);
    expect(reports.map(flippedText)).toEqual([
      '3 queries became wrong',
      '4 queries became wrong, two of them in A, too',
      '2,000 queries became wrong',
      'flips not measured',
    ]);
  });

  it('states the largest clear difference, and counts the others', () => {
    const say = (...reports: Report[]) => plain(comparisonSentence(compareReports(reports)));
    expect(say(incompatibleReport(), sampleReport())).toBe(
      'CMC@1, new query on old gallery .099 → .919, better in B than in A: [.081, .115] against [.898, .938]. Of nine clear differences seven are for the better, two for the worse.',
    );
    expect(say(sampleReport(), sampleReport())).toBe('No key figure differs.');
    const nearly = changed((report) => {
      report.retrieval.newOld.map = { value: 0.75, interval: [0.73, 0.77] };
    });
    expect(say(sampleReport(), nearly)).toBe(
      'No key figure differs clearly. The largest difference is mAP, new query on old gallery, .740 in A, .750 in B, but the intervals overlap: [.724, .754] against [.730, .770].',
    );
    const bare = changed((report) => Object.assign(report.triplets, { inverted: 0.9, interval: null }));
    expect(say(sampleReport(), bare)).toMatch(/\.900 in B, without intervals to judge by\.$/);
    const lost = changed((report) =>
      Object.assign(report.flips, { negativeFlipRate: 0.05, negativeFlipRateInterval: [0.04, 0.06] }),
    );
    expect(say(sampleReport(), sampleReport(), lost)).toBe(
      'Right to wrong .013 → .050, worse in C than in A: [.008, .022] against [.040, .060]. No other key figure differs clearly.',
    );
    const [largest] = compareReports([sampleReport(), lost]).differences;
    expect(largest && differenceText(largest)).toBe(
      'Right to wrong .013 → .050 (+.037), worse, intervals [.008, .022] and [.040, .060]',
    );
  });

  it('puts the values of curves into words, by their ends where there are many', () => {
    const keys = [...'ABCDEF'].map((key) => ({ key }));
    expect(acrossReports(keys.slice(0, 2), [0.099, 0.919])).toBe('A .099, B .919');
    expect(acrossReports(keys.slice(0, 3), [0.1, null, 0.1])).toBe('A .100, C .100');
    expect(acrossReports(keys.slice(0, 2), [0.5, 0.5])).toBe('.500 in all');
    expect(acrossReports(keys, [0.3, 0.2, 0.6, 0.4, 0.5, 0.3])).toBe('.200 (B) to .600 (C)');
    expect(acrossReports(keys, [])).toBe('not measured');
    const curves = [incompatibleReport(), sampleReport()].map(comparedCurves);
    expect(cmcOverlayTitle(keys.slice(0, 2), curves, 'newOld')).toBe('First hit of new/old: A .099, B .919');
    const roc = { far: [0.001, 0.01, 0.1], tar: [0.2, 0.4, 0.9] };
    expect([0.0001, 0.01, 0.05, 1].map((far) => tarAt(roc, far))).toEqual([null, 0.4, 0.4, 0.9]);
    expect(tarAt(undefined, 0.01)).toBeNull();
  });

  it('tells reports of one minute apart by the second', () => {
    expect(
      momentsOf([
        { created: '2026-03-14T09:26:53.000Z' },
        { created: '2026-03-14T09:26:12.000Z' },
        { created: '2026-03-14T09:27:12.000Z' },
        { created: 'lately' },
      ]),
    ).toEqual(['2026-03-14 09:26:53 UTC', '2026-03-14 09:26:12 UTC', '2026-03-14 09:27 UTC', 'lately']);
  });

  it('has a column for each of many reports, and figures that only some have', () => {
    const reports = [sampleReport(), fullReport(), incompatibleReport(), sampleReport(), sampleReport()];
    const comparison = compareReports(reports);
    expect(comparison.reports.map(({ key }) => key)).toEqual(['A', 'B', 'C', 'D', 'E']);
    const thresholds = comparison.figures.find(({ rule }) => rule.startsWith('verification.'));
    expect(thresholds?.values.map(({ value }) => value === null)).toEqual([true, false, true, true, true]);
    for (const width of [80, 100, 120]) {
      const text = renderComparisonText(comparison, { width, colour: false });
      expect(Math.max(...text.split('\n').map(displayWidth))).toBeLessThanOrEqual(width);
      for (const column of ['A', 'B', 'C', 'D', 'E']) expect(text).toMatch(new RegExp(`^${column}  digits-v1 → `, 'm'));
    }
  });

  it('keeps text from data text, and tells no missing figure', () => {
    const comparison = compareReports([bareReport(), hostileFullReport(), unlabelledReport()]);
    const text = renderComparisonText(comparison, { width: 100, colour: false });
    expect(text.replaceAll('\n', '')).not.toMatch(/[\p{Cc}\u202a-\u202e\u2066-\u2069]/u);
    const markdown = renderComparisonMarkdown(comparison);
    expect([...new Set(markdown.match(/<[^>]*>/g))].sort()).toEqual([
      '<!-- backcompat report -->',
      '</code>',
      '<code>',
    ]);
    for (const rendering of [text, markdown]) expect(rendering).not.toMatch(/NaN|null|undefined|Infinity/);
  });

  it('golden files', () => {
    const comparison = compareReports([incompatibleReport(), fullReport()], [null, 'λ 0.5']);
    expectGolden('comparison.txt', renderComparisonText(comparison, { width: 100, colour: false }));
    expectGolden('comparison.md', renderComparisonMarkdown(comparison));
  });
});

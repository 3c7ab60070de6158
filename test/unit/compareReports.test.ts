import { describe, expect, it } from 'vitest';
import { comparisonTitle } from '../../src/core/contract/comparisonFindings.ts';
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
      'Distance: cosine here, dot there.',
      expect.stringContaining('Items and labels: '),
    ]);
    expect(comparisonTitle(comparison)).toBe('These reports answer different questions');
    expect(comparison.figures.find(({ rule }) => rule === 'retrieval.newOld.map')?.values[1]?.value).toBe(0.1);
    const text = renderComparisonText(comparison, { width: 100, colour: false });
    expect(text).toContain('! B is not comparable with A. Distance: cosine here, dot there.');
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
    const comparison = compareReports([incompatibleReport(), fullReport()]);
    expectGolden('comparison.txt', renderComparisonText(comparison, { width: 100, colour: false }));
    expectGolden('comparison.md', renderComparisonMarkdown(comparison));
  });
});

import { describe, expect, it } from 'vitest';
import type { GateResult } from '../../src/core/contract/report.ts';
import { type LabelledCurve, placeLabels, pushApart } from '../../webview/charts/labels.ts';
import { steps } from '../../webview/charts/lineChart.ts';
import { bin } from '../../webview/charts/scatterChart.ts';
import { delimited } from '../../webview/components/figure.ts';
import { decimalsOf, niceScale, position, signedTickLabel, tickLabel } from '../../webview/components/scale.ts';
import {
  classPairsTitle,
  cmcLabel,
  gatesWorstFirst,
  histogramLabel,
  hubsTitle,
  medianOfBins,
  scatterLabel,
  toleranceLabel,
  worstClassesTitle,
} from '../../webview/report/titles.ts';
import { gateScale } from '../../webview/report/verdictTab.ts';
import { bareReport, hostileReport, largeReport, sampleReport } from '../fixtures/report/sampleReport.ts';

describe('titles and names of drawings', () => {
  it('say the figures', () => {
    const report = sampleReport();
    expect(cmcLabel(report)).toContain('old/old .858 at 1, .975 at 20; new/old .919 at 1, .980 at 20');
    expect(toleranceLabel(report, 'positive')).toMatch(
      /^Same class, share violated from tolerance 0 to \.600: this pair \.964 to \.0\d\d; Procrustes \.622/,
    );
    expect(histogramLabel(report, 'negative')).toMatch(
      /^Different class.* below \.\d{3} old\/old and below \.\d{3} new\/old\.$/,
    );
    expect(scatterLabel(report.classes)).toBe('10 classes by mAP, old against new: 9 gain, 0 lose, 1 are undecided.');
  });

  it('state findings', () => {
    const report = sampleReport();
    expect(worstClassesTitle(report)).toBe('All classes are violated more than by noise');
    for (const entry of report.classes.slice(3)) entry.positiveRate = 0.4;
    expect(worstClassesTitle(report)).toBe('Three of ten classes are violated more than by noise');
    for (const entry of report.classes) entry.positiveRate = 0.4;
    expect(worstClassesTitle(report)).toBe('No class is violated more than by noise');
    expect(classPairsTitle(report.worst.classPairs)).toBe('Worst class pair: 0 against 4, 41 % violated');
    expect(hubsTitle(report.worst.hubs, 1000)).toBe('Hubs: one gallery item is in 104 violations of 1,000 queries');
  });

  it('hold nothing but words where nothing was measured', () => {
    const report = bareReport();
    for (const title of [
      worstClassesTitle(report),
      classPairsTitle([]),
      hubsTitle([], 0),
      cmcLabel(report),
      histogramLabel(report, 'positive'),
    ]) {
      expect(title).not.toMatch(/null|undefined|NaN/);
    }
  });

  it('show control characters of names', () => {
    const report = hostileReport();
    report.worst.classPairs = report.worst.classPairs.slice(2, 3);
    expect(classPairsTitle(report.worst.classPairs)).toContain('two\\nlines\\tand a tab against ');
  });

  it('put the worst gate first, errors before warnings', () => {
    const gates = sampleReport().gates;
    const warning = { ...(gates[2] as GateResult), severity: 'warn' as const, rule: 'warned' };
    expect(gatesWorstFirst([warning, ...gates]).map((gate) => gate.rule)).toEqual([
      'inequalities.positive.rate@0.01',
      'warned',
      'flips.negativeFlipRate',
      'criterion.map',
      'retrieval.newOld.map',
      'classes.4.map.difference',
    ]);
  });
});

describe('medianOfBins', () => {
  it('is linear inside the bin that holds the half', () => {
    // .2 lie below 1, .4 more in [1, 2): the half is reached at 1 + .3 / .4.
    expect(medianOfBins([0, 1, 2, 3], [0.2, 0.4, 0.4])).toBeCloseTo(1.75, 12);
    expect(medianOfBins([0, 1, 2], [0, 1])).toBeCloseTo(1.5, 12);
    expect(medianOfBins([0, 1, 2], [0, 0])).toBeNull();
    expect(medianOfBins([], [])).toBeNull();
  });
});

describe('scales', () => {
  it('have round ticks inside, and hold all values', () => {
    const scale = niceScale([0.007, 0.21, -0.003], 3, [0]);
    expect(scale.ticks).toEqual([0, 0.1, 0.2]);
    expect(scale.low).toBeLessThan(-0.003);
    expect(scale.high).toBeGreaterThan(0.21);
    expect(niceScale([], 3)).toEqual({ low: 0, high: 1, ticks: [0, 0.5, 1] });
    expect(niceScale([0.5, 0.5], 3).ticks.length).toBeGreaterThan(0);
    expect(niceScale([Number.NaN, null, 2, 4], 4).ticks).toEqual([2, 3, 4].filter((tick) => tick >= 2));
  });

  it('clamp what lies outside', () => {
    expect(position(0.5, { low: 0, high: 2 })).toBe(25);
    expect(position(3, { low: 0, high: 2 })).toBe(100);
    expect(position(-1, { low: 0, high: 2 })).toBe(0);
  });

  it('are labelled without leading zero, with a real minus', () => {
    expect([0, 0.5, -0.1, 1, 1.25, 100].map((value) => tickLabel(value))).toEqual([
      '0',
      '.5',
      '−.1',
      '1',
      '1.25',
      '100',
    ]);
    expect(signedTickLabel(0.1)).toBe('+.1');
    const ticks = [0.85, 0.9, 0.95, 1];
    expect(ticks.map((tick) => tickLabel(tick, decimalsOf(ticks)))).toEqual(['.85', '.90', '.95', '1']);
  });

  it('of gates begin at 0 and hold limit and interval', () => {
    const gate = (
      limit: GateResult['limit'],
      actual: number | string | null,
      interval: [number, number] | null = null,
    ) => gateScale({ limit, actual, interval } as GateResult);
    expect(gate({ max: 0.02 }, 0.013, [0.008, 0.022])).toMatchObject({ low: 0, high: 0.05 });
    expect(gate({ min: 0.5 }, 0.74)).toMatchObject({ low: 0, high: 1 });
    expect(gate({ min: -0.05 }, -0.02, [-0.051, 0.008])).toMatchObject({ low: -0.1, high: 0.1 });
    expect(gate({ max: 3 }, 12)).toMatchObject({ low: 0, high: 20 });
    expect(gate({ max: 0 }, 0)?.high).toBeGreaterThan(0);
    expect(gate({ min: 0.5 }, null)).toMatchObject({ low: 0, high: 1 });
    expect(gate({ state: 'compatible' }, 'undecided')).toBeNull();
  });
});

describe('delimited', () => {
  const table = {
    head: ['a', 'b,c'],
    rows: [
      ['say "x"', 1.5],
      ['two\nlines', null],
      ['=1+1', -2],
      ['@x', 0],
    ] as (string | number | null)[][],
  };
  it('quotes for CSV and disarms formulas', () => {
    expect(delimited(table, ',')).toBe('a,"b,c"\n"say ""x""",1.5\n"two\nlines",\n\'=1+1,-2\n\'@x,0');
  });
  it('keeps TSV to one line a row', () => {
    expect(delimited(table, '\t').split('\n')).toHaveLength(5);
  });
});

describe('drawings', () => {
  it('bin every class once', () => {
    const items = largeReport(3000).classes.map((entry) => ({
      label: entry.label,
      x: entry.map.old ?? 0,
      y: entry.map.new ?? 0,
    }));
    items.push({ label: 'corner', x: 1, y: 1 }, { label: 'origin', x: 0, y: 0 });
    const spots = bin(items);
    expect(spots.reduce((sum, spot) => sum + spot.items.length, 0)).toBe(3002);
    for (const spot of spots) {
      for (const item of spot.items) {
        expect(Math.abs(item.x - spot.x)).toBeLessThanOrEqual(1 / 96 + 1e-12);
        expect(Math.abs(item.y - spot.y)).toBeLessThanOrEqual(1 / 96 + 1e-12);
      }
    }
  });

  it('close a histogram at its last edge', () => {
    expect(steps([0, 1, 2], [0.25, 0.75])).toEqual([
      { x: 0, y: 0.25 },
      { x: 1, y: 0.75 },
      { x: 2, y: 0.75 },
    ]);
    expect(steps([], [])).toEqual([]);
  });

  it('push end labels apart without leaving the plot', () => {
    const apart = pushApart([10, 11, 12, 90], 14, 0, 100);
    const sorted = [...apart].sort((a, b) => a - b);
    expect(apart).toEqual(sorted);
    for (let index = 1; index < apart.length; index++) {
      expect((apart[index] ?? 0) - (apart[index - 1] ?? 0)).toBeGreaterThanOrEqual(14);
    }
    expect(Math.max(...pushApart([98, 99, 100], 14, 0, 100))).toBeLessThanOrEqual(100);
    expect(Math.min(...pushApart([0, 1, 2], 14, 0, 100))).toBeGreaterThanOrEqual(0);
  });

  it('keep labels off each other and inside the plot', () => {
    const line = (from: number, to: number): LabelledCurve => ({
      points: [
        { x: 0, y: from },
        { x: 300, y: to },
      ],
      width: 40,
    });
    const area = { x: 0, y: 0, width: 300, height: 120 };
    const places = placeLabels([line(20, 100), line(30, 110), line(110, 110)], area, 14);
    for (const [index, a] of places.entries()) {
      expect(a.x).toBeGreaterThanOrEqual(0);
      expect(a.x + 40).toBeLessThanOrEqual(300);
      expect(a.y).toBeGreaterThan(0);
      expect(a.y).toBeLessThan(120);
      for (const b of places.slice(index + 1)) {
        expect(Math.abs(a.x - b.x) >= 40 || Math.abs(a.y - b.y) >= 14).toBe(true);
      }
    }
  });
});

import { describe, expect, it } from 'vitest';
import {
  cellsTitle,
  classesTitle,
  cmcTitle,
  criterionNotes,
  criterionTitle,
  flipsTitle,
  gatesTitle,
  histogramTitle,
  inequalitiesSentence,
  plain,
  retrievalSentence,
  summarise,
  toleranceTitle,
  verdictRows,
  worstPairsTitle,
} from '../../src/core/contract/findings.ts';
import { durationText, toleranceText, visibleText } from '../../src/core/contract/format.ts';
import type { CriterionEntry, RankingState, Report, WorstPair } from '../../src/core/contract/report.ts';
import { sampleReport } from '../fixtures/report/sampleReport.ts';

function changed(change: (report: Report) => void): Report {
  const report = sampleReport();
  change(report);
  return report;
}

/** A report whose criterion has these states. */
function withStates(...states: RankingState[]): Report {
  return changed((report) => {
    const entries = Object.entries(report.criterion).slice(0, states.length) as [string, CriterionEntry][];
    report.criterion = Object.fromEntries(
      entries.map(([name, entry], i) => [name, { ...entry, state: states[i] as RankingState }]),
    );
  });
}

describe('the verdict', () => {
  it('answers three questions', () => {
    expect(summarise(sampleReport())).toBe(
      'Ranks better on the old gallery (mAP .740 against .556); thresholds were not measured; ' +
        '96.4 % of same-class distances grew, where noise alone would grow 50.4 %.',
    );
  });

  it.each([
    ['incompatible', 0.141, 'Ranks worse on the old gallery (mAP .141 against .556)'],
    ['undecided', 0.557, 'Ranking is undecided on the old gallery (mAP .557 against .556)'],
    ['within-margin', 0.55, 'Ranks within the margin on the old gallery (mAP .550 against .556)'],
    ['within-margin', 0.556, 'Ranks as well on the old gallery (mAP .556 both)'],
  ] as const)('says %s', (state, value, words) => {
    const report = changed(({ verdict, criterion }) => {
      verdict.state = state;
      Object.assign(criterion.map ?? {}, { state, new: value, difference: value - 0.556 });
    });
    expect(summarise(report).split(';')[0]).toBe(words);
  });

  it('does not let one answer stand for another', () => {
    const rows = verdictRows(changed(({ verdict }) => Object.assign(verdict, { inequalities: 'as-noise' })));
    expect(rows.map(({ part, word, tone }) => [part, word, tone])).toEqual([
      ['Ranking', 'Compatible', 'good'],
      ['Thresholds', 'Not measured', 'absent'],
      ['Inequalities', 'As noise', 'good'],
    ]);
  });
});

describe('the criterion', () => {
  it.each([
    [['compatible', 'compatible', 'undecided'], 'Two of three metrics rank better than the old model against itself'],
    [['compatible', 'compatible'], 'All two metrics rank better than the old model against itself'],
    [['compatible'], 'The one metric ranks better than the old model against itself'],
    [['incompatible', 'incompatible'], 'All two metrics rank worse than the old model against itself'],
    [['compatible', 'incompatible'], 'One of two metrics ranks better than the old model against itself, one worse'],
    [['incompatible', 'undecided'], 'One of two metrics ranks worse than the old model against itself'],
    [['undecided', 'undecided'], 'None of two metrics is decided'],
    [['within-margin', 'within-margin'], 'All two metrics stay within the margin'],
    [
      ['within-margin', 'undecided'],
      'No metric ranks better than the old model against itself, one of two is undecided',
    ],
  ] as [RankingState[], string][])('%j', (states, title) => {
    expect(criterionTitle(withStates(...states))).toBe(title);
  });

  it('says what would decide', () => {
    expect(criterionNotes(sampleReport())).toEqual([
      'CMC@10: about 4,200 queries would decide it; this audit has 1,000.',
    ]);
    const few = changed((report) => {
      report.data.queries = 20;
      for (const entry of Object.values(report.criterion))
        Object.assign(entry as CriterionEntry, { state: 'undecided', queriesToDecide: null });
    });
    expect(criterionNotes(few)[0]).toBe('mAP: 20 queries with a match are too few to decide.');
  });
});

describe('retrieval', () => {
  it('says what share of a full backfill is gained', () => {
    expect(plain(retrievalSentence(sampleReport()))).toBe(
      'Without re-embedding, new queries gain half of what a full backfill would: mAP .740, .556 all old, .922 all new.',
    );
    const odd = changed((report) => Object.assign(report.retrieval.newOld.map ?? {}, { value: 0.6 }));
    // (.6 - .556) / (.922 - .556) = .1202
    expect(plain(retrievalSentence(odd))).toContain('gain 12 % of what a full backfill would');
    const alone = changed((report) => {
      report.retrieval.newNew = null;
    });
    expect(plain(retrievalSentence(alone))).toContain('all new was not measured');
  });

  it('compares cells by state and intervals only', () => {
    expect(cellsTitle(sampleReport())).toBe('New queries rank better on both galleries');
    const worse = changed((report) => {
      report.verdict.state = 'incompatible';
    });
    expect(cellsTitle(worse)).toBe('New queries rank better only on a re-embedded gallery');
    const overlapping = changed((report) => {
      Object.assign(report.retrieval.newNew?.map ?? {}, { interval: [0.5, 0.9] });
    });
    expect(cellsTitle(overlapping)).toBe('New queries rank better on the old gallery');
  });

  it('says where the gain is largest and where it fades', () => {
    expect(cmcTitle(sampleReport())).toBe(
      'The gain is largest at the first hit, no longer measurable among the first ten',
    );
    const none = changed((report) => {
      for (const entry of Object.values(report.criterion))
        Object.assign(entry as CriterionEntry, { state: 'undecided' });
    });
    expect(cmcTitle(none)).toBe('No measurable change among the nearest');
  });
});

describe('classes and flips', () => {
  it('counts by intervals', () => {
    expect(classesTitle(sampleReport())).toBe('Nine of ten classes gain; class 4 may lose');
    const more = changed((report) => {
      report.data.classes = 5000;
      for (const entry of report.classes) entry.map.interval = [-0.2, -0.1];
    });
    expect(classesTitle(more)).toBe('All ten listed classes lose');
  });

  it('counts queries, or gives rates where only a sample was measured', () => {
    expect(flipsTitle(sampleReport())).toBe('Flips: 74 queries became right, 13 became wrong');
    const sampled = changed((report) => {
      report.protocol.sampledQueries = 500;
    });
    expect(flipsTitle(sampled)).toBe('Flips: 7.4 % became right, 1.3 % became wrong');
  });
});

describe('inequalities', () => {
  it('tells a shift from a loss', () => {
    expect(plain(inequalitiesSentence(sampleReport()))).toBe(
      'New queries stand farther from everything: 96.4 % of same-class distances grew, ' +
        '4.1 % of different-class distances shrank. Noise alone gives 50.4 % and 50 %.',
    );
    const closer = changed(({ inequalities }) => {
      Object.assign(inequalities.positive.byEpsilon[0] ?? {}, { rate: 0.2, interval: [0.19, 0.21] });
      Object.assign(inequalities.negative.byEpsilon[0] ?? {}, { rate: 0.5, interval: [0.49, 0.51] });
    });
    expect(plain(inequalitiesSentence(closer))).toContain('stand closer to their own class');
  });

  it('finds the median of the tolerance curve', () => {
    const report = changed(({ curves }) => {
      curves.tolerances = [0, 0.1, 0.2];
      curves.tolerance.pair.positive = [0.9, 0.6, 0.4];
    });
    // Halfway between .1 (.6) and .2 (.4).
    expect(toleranceTitle(report)).toBe('Half of the same-class pairs grew by more than .150');
  });

  it('tells where distributions moved', () => {
    const report = changed(({ histograms }) => {
      histograms.edges = [0, 1, 2, 3];
      histograms.oldOld = { positive: [1, 0, 0], negative: [0, 1, 0] };
      histograms.newOld = { positive: [0, 1, 0], negative: [0, 0.5, 0.5] };
    });
    // Same class by one bin; different class by half a bin, which is none.
    expect(histogramTitle(report)).toBe('Same-class distances moved right, different-class ones stayed');
  });

  it('names the class that takes most of the worst pairs', () => {
    const pair = (queryLabel: string, galleryLabel: string): WorstPair => {
      return { query: 'q', gallery: 'g', queryLabel, galleryLabel, oldDistance: 0, newDistance: 1 };
    };
    const pairs = [pair('4', '9'), pair('9', '4'), pair('3', '5'), pair('1', '7')];
    expect(worstPairsTitle('negative', pairs)).toBe('Worst different-class pairs: 4 and 9 take 2 of 4');
    expect(worstPairsTitle('positive', [pair('4', '4'), pair('4', '4'), pair('1', '1')])).toBe(
      'Worst same-class pairs: class 4 takes 2 of 3',
    );
    expect(worstPairsTitle('positive', [])).toBe('No same-class pair grew apart');
  });
});

it('counts gates by what happened to them', () => {
  expect(gatesTitle([])).toBe('No gates are set');
  expect(gatesTitle(sampleReport().gates)).toBe('Gates: one failed, one undecided');
  expect(gatesTitle(sampleReport().gates.filter(({ state }) => state === 'passed'))).toBe('All three gates passed');
});

describe('small texts', () => {
  it('writes tolerances and durations', () => {
    expect([1e-6, 0.01, 0.05, 0, 1].map(toleranceText)).toEqual(['1e-6', '.01', '.05', '0', '1']);
    expect([3.21, 59.97, 125, 3840].map(durationText)).toEqual(['3.2 s', '1 min 0 s', '2 min 5 s', '1 h 4 min']);
  });

  it('shows control characters instead of sending them', () => {
    expect(visibleText('a\u001b[31m\n\t\u202eb\u0085')).toBe('a\\x1b[31m\\n\\t\\u202eb\\x85');
    expect(visibleText('日本 é <b>')).toBe('日本 é <b>');
  });
});

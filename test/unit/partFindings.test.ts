import { describe, expect, it } from 'vitest';
import { plain } from '../../src/core/contract/findings.ts';
import { classFlipsTitle, flipsByClass, flipsSentence } from '../../src/core/contract/flipFindings.ts';
import { momentText } from '../../src/core/contract/format.ts';
import { agreementTitle, backfillTitle, matrixTitle, slicesTitle } from '../../src/core/contract/migrationFindings.ts';
import { causeName, causesTitle, evidenceRows, remediesTitle } from '../../src/core/contract/remedyFindings.ts';
import type { BackfillSummary, Diagnosis, RankingState, Report } from '../../src/core/contract/report.ts';
import {
  consequentialTitle,
  farText,
  perThousand,
  rocTitle,
  thresholdsSentence,
  transferState,
  transferTitle,
  whyNoThresholds,
} from '../../src/core/contract/thresholdFindings.ts';
import { fullReport, unlabelledReport } from '../fixtures/report/fullReport.ts';
import { bareReport, sampleReport } from '../fixtures/report/sampleReport.ts';

describe('thresholds in words', () => {
  const sentenceOf = (change: (report: Report) => void) => {
    const report = fullReport();
    change(report);
    return plain(thresholdsSentence(report));
  };

  it('say what each state means, with the figures of the operating FAR', () => {
    expect(sentenceOf(() => {})).toBe(
      'The threshold must move from .071 to .523: the old one accepts 0 % of same-class pairs of new queries, 28.7 % of old ones; moved, it accepts 63.4 %.',
    );
    expect(
      sentenceOf((report) => {
        report.verdict.thresholds = 'kept';
        const row = report.verification?.transfer.newOld[1];
        if (row) Object.assign(row, { tarAtOldThreshold: 0.3, farAtOldThreshold: 0.012 });
      }),
    ).toBe(
      'The old threshold holds: .071 accepts 30 % of same-class pairs of new queries, 28.7 % of old ones, and 1.2 % of different-class pairs where 1 % was allowed.',
    );
    expect(
      sentenceOf((report) => {
        report.verdict.thresholds = 'broken';
      }),
    ).toMatch(/^No threshold restores verification: the old one, \.071, accepts 0 %/);
  });

  it('say why there are none', () => {
    expect(whyNoThresholds(unlabelledReport())).toBe('Without labels no pair is known to be right or wrong.');
    // 2.7 million pairs are enough: an audit of before.
    expect(whyNoThresholds(sampleReport())).toContain('audit the pair again');
    const few = sampleReport();
    few.data.negativePairs = 99;
    expect(whyNoThresholds(few)).toBe(
      'A threshold at a false accept rate of 10 % needs 100 different-class pairs; this audit has 99 different-class pairs.',
    );
    const rare = fullReport();
    rare.protocol.operatingFar = 1e-7;
    rare.verdict.thresholds = null;
    expect(plain(thresholdsSentence(rare))).toMatch(
      /^Thresholds were not measured\. A threshold at a false accept rate/,
    );
  });

  it.each([
    // far 1 %, old TAR .5: at most 1.5 % and at least .48
    [0.015, 0.48, 0.6, 'kept'],
    [0.0151, 0.6, 0.6, 'restorable'],
    [0.01, 0.479, 0.48, 'restorable'],
    [0.01, 0.3, 0.479, 'broken'],
    [0.01, 0.3, null, 'broken'],
    [null, 0.3, 0.9, null],
  ] as const)('judge FAR %s, TAR %s, moved %s as %s', (farAtOldThreshold, tarAtOldThreshold, moved, state) => {
    const transfer = {
      far: 0.01,
      oldThreshold: 0.4,
      farAtOldThreshold,
      tarAtOldThreshold,
      restoringThreshold: 0.5,
      tarAtRestoringThreshold: moved,
      tarInterval: null,
    };
    expect(transferState(transfer, 0.5)).toBe(state);
    expect(transferState(transfer, null)).toBeNull();
  });

  it('sum up the table', () => {
    const report = fullReport();
    expect(transferTitle(report)).toBe('The old threshold holds at none of four false accept rates; moved, it would');
    expect(transferTitle(report, 'newNew')).toBe(
      'The old threshold holds at one of four false accept rates; moved, it would',
    );
    const rows = report.verification?.transfer.newOld ?? [];
    for (const row of rows.slice(1)) row.tarAtRestoringThreshold = 0;
    expect(transferTitle(report)).toBe(
      'The old threshold holds at none of four false accept rates; moved, it would at one',
    );
    for (const row of rows) row.tarAtRestoringThreshold = null;
    expect(transferTitle(report)).toMatch(/, and no other one would$/);
    expect(rocTitle(report)).toContain('FAR 1 %: new/old 63.4 %, old/old 28.7 %, new/new 96.4 %');
    expect(consequentialTitle(report)).toBe(
      'Old threshold: 287 of 1,000 same-class pairs newly refused, 0 of 1,000 different-class pairs newly accepted',
    );
    expect(transferTitle(sampleReport())).toBe('No threshold was measured');
  });

  it('write rates as people do', () => {
    expect([0.1, 0.01, 0.001, 0.0001].map(farText)).toEqual(['10 %', '1 %', '0.1 %', '0.01 %']);
    expect([0, 1, 0.287, 0.0215, 0.0099, 0.0018, 0.00004, null].map(perThousand)).toEqual([
      '0',
      '1000',
      '287',
      '22',
      '9.9',
      '1.8',
      '.04',
      '\u2013',
    ]);
    expect(momentText('2026-03-14T09:26:53.000Z')).toBe('2026-03-14 09:26 UTC');
    expect(momentText('<b>')).toBe('<b>');
  });
});

describe('remedies and causes in words', () => {
  const withState = (state: RankingState, change: (report: Report) => void = () => {}) => {
    const report = fullReport();
    report.verdict.state = state;
    change(report);
    return remediesTitle(report);
  };

  it('name the cheapest that helps, and claim none that does not', () => {
    expect(withState('compatible')).toBe(
      'Ranking needs no remedy; another threshold restores verification: TAR .634 against .287',
    );
    expect(
      withState('compatible', (report) => {
        report.verdict.thresholds = 'kept';
      }),
    ).toBe('Ranking needs no remedy; a backfill in part would still gain: mAP .822 against .740');
    // The threshold alone does not: the cheapest that does is named.
    const lost = (report: Report) => {
      report.verdict.thresholds = 'broken';
      const [threshold] = report.remedies;
      if (threshold) threshold.estimated = { tar: { value: 0.2, interval: null } };
    };
    expect(withState('compatible', lost)).toBe(
      'Ranking needs no remedy; a rotation of new queries restores verification: TAR .271 against .287',
    );
    expect(withState('incompatible')).toBe(
      'A rotation of new queries ranks better than the old model: mAP .787 against .556, the cheapest of four that do',
    );
    const none = (report: Report) => {
      for (const remedy of report.remedies) remedy.reachesCriterion = false;
    };
    expect(withState('incompatible', none)).toBe(
      'No estimated remedy reaches the old model; a backfill in part comes nearest: mAP .822 against .556',
    );
    expect(
      withState('incompatible', (report) => {
        report.remedies = [];
      }),
    ).toBe('No remedy was estimated');
  });

  it('list causes and the figures that decided them', () => {
    expect(causesTitle(sampleReport())).toBe('Why: no known cause was found');
    const report = fullReport();
    expect(causesTitle(report)).toBe('Why: offset');
    for (const cause of report.diagnosis.slice(0, 3)) cause.found = true;
    expect(causesTitle(report)).toBe('Why: offset, rotation and scale');
    expect(causeName('of-a-later-version')).toBe('Of a later version');
    expect(causeName('constructor')).toBe('Constructor');
    const cause: Diagnosis = {
      code: 'scale',
      found: true,
      message: '',
      evidence: { meanNormOld: 1.04, pairs: 3, labels: ['a', 'b'], limit: { low: 0.5 }, fitted: false, rest: null },
    };
    expect(evidenceRows(cause)).toEqual([
      { name: 'Mean norm old', value: '1.040' },
      { name: 'Pairs', value: '3' },
      { name: 'Labels', value: 'a, b' },
      { name: 'Limit', value: 'low .500' },
      { name: 'Fitted', value: 'no' },
      { name: 'Rest', value: 'not measured' },
    ]);
  });
});

describe('the way to the new model in words', () => {
  const summary = (reachesOldOld: number | null, area: number, worst = 0.8): BackfillSummary => ({
    area,
    worst: { share: worst < 0.7 ? 0.5 : 0, value: worst },
    reachesOldOld,
    reachesNewNew: 1,
  });
  const backfill = (random: BackfillSummary, displacement: BackfillSummary) => {
    const report = fullReport();
    report.backfillSummary = { random: { map: random }, displacement: { map: displacement } };
    return backfillTitle(report);
  };

  it('tells how much of the gallery is enough, in which order, and what happens on the way', () => {
    expect(backfill(summary(0, 0.8), summary(0, 0.8))).toBe("No backfill is needed to reach the old model's mAP");
    expect(backfill(summary(0.6, 0.7), summary(0.3, 0.8))).toBe(
      "Re-embedding 30 % of the gallery, most displaced first, reaches the old model's mAP",
    );
    expect(backfill(summary(0.5, 0.7), summary(0.5, 0.8))).toBe(
      "Re-embedding 50 % of the gallery reaches the old model's mAP",
    );
    expect(backfill(summary(1, 0.7), summary(1, 0.6))).toBe(
      "Re-embedding the whole gallery reaches the old model's mAP",
    );
    expect(backfill(summary(null, 0.7), summary(null, 0.8, 0.2))).toBe(
      "Even a full backfill does not reach the old model's mAP; on the way it falls to .200",
    );
  });

  it('counts versions, values and neighbours', () => {
    const report = fullReport();
    expect(matrixTitle(report)).toBe('Every newer model ranks better on every older gallery than its own model did');
    if (report.matrix) report.matrix.ac = 2 / 3;
    expect(matrixTitle(report)).toBe("On 2 of 3 older galleries a newer model ranks better than the gallery's own");
    if (report.matrix) report.matrix.ac = 0;
    expect(matrixTitle(report)).toMatch(/^No newer model/);
    expect(slicesTitle(report, 'writer')).toBe('By writer: all 2 values rank better');
    expect(slicesTitle(report, 'scanner')).toBe('By scanner: 2 of 3 values rank better, 1 undecided');
    expect(slicesTitle(report, 'nothing')).toBe('By nothing: nothing was measured');
    expect(agreementTitle(report)).toBe(
      'Of the 10 nearest items of new queries on the old gallery, 16.4 % are those of old queries',
    );
    expect(agreementTitle(sampleReport())).toBe('How far neighbours agree was not measured');
  });

  it('counts flips by class', () => {
    const report = sampleReport();
    expect(plain(flipsSentence(report))).toMatch(
      /^1\.3 % of queries became wrong at the first hit, 7\.4 % became right/,
    );
    expect(plain(flipsSentence(bareReport()))).toBe('Flips were not measured.');
    const rows = flipsByClass(report);
    expect(rows.reduce((sum, row) => sum + row.flipped, 0)).toBe(report.worst.flippedQueries.length);
    expect(rows[0]).toMatchObject({ label: '4', flipped: 9, queries: 100, after: '9', afterCount: 9 });
    expect(classFlipsTitle(report)).toBe('Class 4 takes 9 of 13 queries that became wrong');
    report.worst.flippedQueries = report.worst.flippedQueries.slice(0, 1);
    report.flips.flippedQueries = 1;
    expect(classFlipsTitle(report)).toBe('The one query is of class 4');
  });
});

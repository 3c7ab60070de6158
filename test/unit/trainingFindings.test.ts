import { describe, expect, it } from 'vitest';
import { plain } from '../../src/core/contract/findings.ts';
import { STEP_POINTS, TrainingSteps } from '../../src/core/contract/followedTraining.ts';
import type { EpochFigures, TrainingPart } from '../../src/core/contract/training.ts';
import {
  lossTitle,
  metricTitle,
  negativeFlipTitle,
  paragonOf,
  partInView,
  secondsLeft,
  standingOf,
  standingWords,
  stepTimeTitle,
  tradeOffOf,
  tradeOffTitle,
  trainingSentence,
  violationsTitle,
} from '../../src/core/contract/trainingFindings.ts';
import { isTrainingPage } from '../../src/protocol/training.ts';
import {
  doneTraining,
  epochFigures,
  liveTraining,
  sweepTraining,
  trainingPart,
  trainingRecord,
  trainingSteps,
} from '../fixtures/followedTraining.ts';

/** Epochs without intervals whose new/old are given; old/old is .5. */
function epochs(...newOld: number[]): EpochFigures[] {
  return newOld.map((map, epoch) => ({
    ...epochFigures(epoch),
    criterion: null,
    oldOld: { map: 0.5 },
    newOld: { map },
  }));
}

describe('how a model stands against the old one', () => {
  it.each([
    [epochs(0.1, 0.4, 0.6, 0.55), { kind: 'better', since: 2 }],
    [epochs(0.6, 0.4, 0.6), { kind: 'better', since: 2 }],
    [epochs(0.6, 0.7), { kind: 'better', since: 0 }],
    [epochs(0.1, 0.6, 0.5), { kind: 'lost', until: 1 }],
    [epochs(0.1, 0.5), { kind: 'worse' }],
    [[], { kind: 'unknown' }],
    [[{ ...epochFigures(0), criterion: null, newOld: null }], { kind: 'unknown' }],
  ] as const)('%#', (figures, standing) => {
    expect(standingOf(figures, 'map')).toEqual(standing);
  });

  it('is decided by the interval where there is one', () => {
    // By hand: .72 - .64 * .72^4 = .548 (below .556), ^5 = .596, whose interval [.021, .059] begins above 0.
    expect(standingOf(trainingPart(4).epochs, 'map')).toEqual({ kind: 'undecided' });
    expect(standingOf(trainingPart(5).epochs, 'map')).toEqual({ kind: 'better', since: 5 });
    expect(standingOf(trainingPart(1).epochs, 'map')).toEqual({ kind: 'worse' });
  });

  it('reads', () => {
    expect(standingWords({ kind: 'better', since: 3 })).toBe('ranks better than the old model since epoch 3');
    expect(standingWords({ kind: 'better', since: 0 })).toBe('ranks better than the old model from the start');
    expect(standingWords({ kind: 'lost', until: 4 })).toContain('last at epoch 4');
    expect(standingWords({ kind: 'unknown' })).toBeNull();
  });
});

describe('the sentence at the head', () => {
  const text = (training: Parameters<typeof trainingSentence>[0]) => plain(trainingSentence(training));

  it('of a live training', () => {
    expect(text(liveTraining())).toBe(
      'Training v2-bct, epoch 13 of 30: new/old mAP is .708; the model ranks better than the old model since epoch 5.',
    );
  });

  it('before anything is measured, and while something else is done', () => {
    expect(text(liveTraining({ phase: 'Reading the datasets', progress: null, record: null }))).toBe(
      'Reading the datasets.',
    );
    expect(text(liveTraining({ phase: null, progress: null, record: null }))).toBe('Starting.');
    expect(text(liveTraining({ phase: 'Embedding', progress: { done: 1, total: 2, unit: 'items' } }))).toMatch(
      /^Embedding: new\/old/,
    );
  });

  it('of one that ended before its end says where it stands', () => {
    expect(text(liveTraining({ state: 'stopped' }))).toMatch(/^Stopped at step 4,250 of 10,260: new\/old/);
    expect(text(liveTraining({ state: 'paused', progress: null }))).toMatch(/^Paused at step 4,250 of 10,260/);
    expect(text(liveTraining({ state: 'failed', record: null, progress: null }))).toBe('Failed.');
    expect(text(liveTraining({ state: 'cancelled' }))).toMatch(/^Cancelled at step/);
  });

  it('of a finished one speaks of the result', () => {
    expect(text(doneTraining())).toBe(
      'Trained: new/old mAP is .720; the model ranks better than the old model since epoch 5.',
    );
  });
});

it('looks at the part that is trained, then at the result', () => {
  expect(partInView(sweepTraining().record as never)?.folder).toBe('lambda-1');
  expect(partInView(doneTraining().record as never)?.folder).toBe('');
  expect(partInView(trainingRecord([]))).toBeNull();
});

describe('titles', () => {
  it('of the metric', () => {
    // new/new after 12 epochs: .89 - .72 * .6^12 = .8884; the paragon's .889.
    expect(metricTitle(trainingPart(12), 'map', 0.9)).toBe(
      'New/old passed old/old at epoch 5; new/new is .012 below the paragon',
    );
    expect(metricTitle(trainingPart(12), 'map', 0.8)).toContain('new/new is not below the paragon');
    expect(metricTitle(trainingPart(1), 'map', null)).toBe('New/old is below old/old');
    expect(metricTitle(trainingPart(-1), 'map', null)).toBe('mAP on held-out items');
    const unmeasured: TrainingPart = {
      ...trainingPart(0),
      epochs: [{ ...epochFigures(1), oldOld: null, newOld: null, newNew: null, criterion: null }],
    };
    expect(metricTitle(unmeasured, 'map', null)).toBe('No mAP was measured');
  });

  it('of losses, violations, flips and time', () => {
    const step = { step: 1, loss: 0.5, terms: { classification: 0.14, influence: 0.36 }, millisecondsPerStep: 38.4 };
    expect(lossTitle([step], [])).toBe('Loss: classification .140, influence .360');
    expect(lossTitle([{ ...step, terms: { classification: 0.5 } }], [])).toBe('Loss .500');
    expect(lossTitle([], [])).toBe('Loss');
    expect(violationsTitle([{ ...epochFigures(1), positiveRate: 0.96 }])).toBe('96 % of same-class distances grew');
    expect(violationsTitle([])).toBe('Inequalities were not measured');
    expect(negativeFlipTitle([{ ...epochFigures(1), negativeFlipRate: 0.014 }])).toBe(
      '1.4 % of queries went from right to wrong',
    );
    expect(negativeFlipTitle([{ ...epochFigures(1), negativeFlipRate: 0 }])).toContain('No query');
    expect(stepTimeTitle([step])).toBe('A step takes 38 ms');
    expect(stepTimeTitle([{ ...step, millisecondsPerStep: 1234 }])).toBe('A step takes 1.2 s');
  });
});

describe('time left', () => {
  it('is that of epochs that ended', () => {
    // 6,010 steps are left: 17.573 epochs of 16 s.
    expect(secondsLeft(liveTraining())).toBeCloseTo((6010 / 342) * 16, 9);
  });
  it('is that of steps before the first epoch has ended, waiting parts included', () => {
    const record = trainingRecord([trainingPart(0), trainingPart(-1, { folder: 'lambda-2', state: 'waiting' })]);
    const steps = { '': [{ step: 60, loss: 1, terms: {}, millisecondsPerStep: 50 }] };
    // (10,200 + 10,260) steps of 50 ms.
    expect(
      secondsLeft(liveTraining({ record, steps, progress: { done: 60, total: 10_260, unit: 'steps' } })),
    ).toBeCloseTo(1023, 9);
  });
  it('is not known while no steps are made', () => {
    expect(secondsLeft(liveTraining({ progress: null }))).toBeNull();
    expect(secondsLeft(liveTraining({ record: null }))).toBeNull();
  });
});

describe('the sweep', () => {
  it('has audited figures where there are, else held-out ones', () => {
    const points = tradeOffOf(sweepTraining());
    expect(points.map(({ lambda }) => lambda)).toEqual([0.1, 0.5, 1]);
    expect(points[0]).toMatchObject({ newOld: 0.57, newNew: 0.893 });
    expect(points[2]?.newOld).toBeCloseTo(0.72 - 0.64 * 0.72 ** 12, 12);
    expect(tradeOffTitle(points, 'map')).toBe('λ 1 ranks best on the old gallery (mAP .708), λ 0.1 on its own (.893)');
    expect(tradeOffTitle([], 'map')).toBe('The sweep has no figures yet');
  });
  it('knows its paragon', () => {
    expect(paragonOf(sweepTraining().record as never)).toBeCloseTo(0.89 - 0.72 * 0.6 ** 30, 12);
    expect(paragonOf(trainingRecord([trainingPart(3)]))).toBeNull();
  });
});

describe('steps', () => {
  const event = (step: number, part = '') => ({
    type: 'step' as const,
    time: '2026-11-23T14:24:11.000Z',
    part,
    epoch: 1,
    step,
    loss: step,
    terms: { classification: 2 * step },
    learningRate: 0.1,
    millisecondsPerStep: 38,
  });

  it('are kept as they are while they are few', () => {
    const steps = new TrainingSteps();
    for (const step of [1, 2, 3]) steps.add(event(step));
    steps.add(event(1, 'paragon'));
    expect(steps.byPart()['']?.map(({ loss }) => loss)).toEqual([1, 2, 3]);
    expect(steps.byPart().paragon).toHaveLength(1);
  });

  it('are thinned to means: a hundred thousand are some hundred points', () => {
    const steps = new TrainingSteps();
    const total = 100_000;
    for (let step = 1; step <= total; step++) steps.add(event(step));
    const points = steps.byPart()[''] ?? [];
    expect(points.length).toBeLessThanOrEqual(STEP_POINTS);
    expect(points.length).toBeGreaterThan(STEP_POINTS / 3);
    expect(points.at(-1)?.step).toBe(total);
    let before = 0;
    for (const { step, loss, terms } of points) {
      // The mean of before + 1 ... step.
      expect(loss).toBeCloseTo((before + 1 + step) / 2, 6);
      expect(terms.classification).toBeCloseTo(before + 1 + step, 6);
      before = step;
    }
  });

  it('that a resumed training makes again take the place of those before', () => {
    const steps = new TrainingSteps();
    for (const step of [1, 2, 3, 4, 2, 3]) steps.add(event(step));
    expect(steps.byPart()['']?.map(({ step }) => step)).toEqual([1, 2, 3]);
  });
});

describe('what the page is sent', () => {
  const actions = {
    asked: null,
    again: null,
    openReport: false,
    openRunFolder: true,
    openConfig: true,
    cliCommand: null,
  };
  it('is believed when it is whole', () => {
    for (const training of [liveTraining(), doneTraining(), sweepTraining(), liveTraining({ record: null })]) {
      expect(isTrainingPage({ training, actions })).toBe(true);
    }
  });
  it.each([
    { training: null, actions },
    { training: liveTraining(), actions: { ...actions, asked: 'yes' } },
    { training: { ...liveTraining(), state: 'odd' }, actions },
    { training: { ...liveTraining(), record: { parts: [{}] } }, actions },
    { training: { ...liveTraining(), steps: { '': [{ step: 'x' }] } }, actions },
    { training: { ...liveTraining(), progress: { done: 'x' } }, actions },
  ])('else not: %#', (value) => {
    expect(isTrainingPage(value)).toBe(false);
  });
});

it('has sample steps that end where the progress stands', () => {
  expect(trainingSteps(4250).at(-1)?.step).toBe(4250);
});

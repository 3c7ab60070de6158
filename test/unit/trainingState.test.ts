import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { RunSummary } from '../../src/core/contract/runs.ts';
import type { TrainingRecord } from '../../src/core/contract/training.ts';
import { TrainingFollower } from '../../src/host/trainingState.ts';
import { isTrainingPage } from '../../src/protocol/training.ts';
import { doneTraining, trainingPart, trainingRecord } from '../fixtures/followedTraining.ts';
import { sampleReport } from '../fixtures/report/sampleReport.ts';

const run: RunSummary = {
  directory: '',
  id: '1',
  kind: 'train',
  name: 'v2-bct',
  configFile: '/w/backcompat.json',
  created: '2026-11-01T10:00:00.000Z',
  state: 'running',
  phase: 'Training v2-bct',
  phaseIndex: null,
  phaseTotal: null,
  progress: { done: 20, total: 10_260, unit: 'steps' },
  message: null,
  remedy: null,
  place: null,
  verdict: null,
  exitStatus: null,
  report: null,
  training: null,
  updated: '2026-11-01T10:00:10.000Z',
};
const around = {
  oldName: null,
  asked: null,
  trusted: true,
  actions: { openRunFolder: true, openConfig: true, exportHtml: false, cliCommand: null },
};
let folder: string;

beforeEach(() => {
  folder = mkdtempSync(path.join(os.tmpdir(), 'backcompat-training-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function write(record: TrainingRecord): void {
  writeFileSync(path.join(folder, 'training.json'), JSON.stringify(record));
}

it('follows a training: no record yet, steps, epochs, and the audit of its result', async () => {
  const follower = new TrainingFollower(folder);
  const first = await follower.refresh();
  expect(follower.page(run, around)).toMatchObject({ kind: 'training', training: { record: null, steps: {} } });
  follower.add({
    type: 'step',
    time: '2026-11-01T10:00:05.000Z',
    part: '',
    epoch: 1,
    step: 20,
    loss: 1,
    terms: { classification: 1 },
    learningRate: 0.1,
    millisecondsPerStep: 30,
  });
  write(trainingRecord([trainingPart(0)]));
  const second = await follower.refresh();
  expect(second).toBeGreaterThan(first);
  expect(await follower.refresh()).toBe(second);
  const live = follower.page(run, around);
  expect(isTrainingPage(live)).toBe(true);
  expect(live).toMatchObject({
    training: { steps: { '': [{ step: 20, loss: 1 }] }, record: { parts: [{ folder: '' }] } },
    actions: { again: null, asked: null, openReport: false },
  });

  const report = sampleReport();
  const file = path.join(folder, 'report.compat-report.json');
  writeFileSync(file, JSON.stringify(report));
  const record = doneTraining().record as TrainingRecord;
  write(record);
  await follower.refresh();
  const over = follower.page({ ...run, state: 'done', progress: null, report: file }, around);
  expect(over).toMatchObject({
    training: {
      oldName: report.old.name,
      audits: [
        {
          folder: '',
          state: report.verdict.state,
          newOld: report.criterion.map?.new,
          newNew: report.retrieval.newNew?.map?.value,
        },
      ],
    },
    actions: { openReport: true, again: null },
  });
});

it('offers to go on where the training can, and to begin anew where it failed', async () => {
  mkdirSync(folder, { recursive: true });
  write(trainingRecord([trainingPart(2)]));
  const follower = new TrainingFollower(folder);
  await follower.refresh();
  const again = (state: RunSummary['state'], changes = {}) => {
    const page = follower.page({ ...run, state }, { ...around, ...changes });
    return page?.kind === 'training' ? page.actions.again : undefined;
  };
  expect(['paused', 'stopped', 'cancelled'].map((state) => again(state as RunSummary['state']))).toEqual([
    'Resume',
    'Resume',
    'Resume',
  ]);
  expect(again('failed')).toBe('Run Again');
  expect(again('running')).toBeNull();
  expect(again('paused', { trusted: false })).toBeNull();
});

it('leaves a finished run without a record to the page of all runs', async () => {
  const follower = new TrainingFollower(folder);
  await follower.refresh();
  expect(follower.page({ ...run, state: 'done' }, around)).toBeNull();
});

import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadConfig } from '../../src/core/config/loadConfig.ts';
import type { Report } from '../../src/core/contract/report.ts';
import { embed, openCheckpoint } from '../../src/core/models/checkpoint.ts';
import { namedCheckpoint } from '../../src/core/pipeline/namedCheckpoint.ts';
import { itemLoader } from '../../src/core/pipeline/pairDefinition.ts';
import { trainBlock } from '../../src/core/pipeline/training/trainBlock.ts';
import type { TrainHooks, TrainOutcome, TrainRequest } from '../../src/core/pipeline/training/trainRequest.ts';
import { createRun, type NewRunEvent } from '../../src/core/runs/createRun.ts';
import { readHead } from '../../src/core/training/heads/headFile.ts';
import { createOnnxTrainer } from '../../src/core/training/onnxTrainer.ts';
import type { CreateTrainer } from '../../src/core/training/trainer.ts';
import { tinyTraining, writeConfig } from '../fixtures/training/tinyTraining.ts';
import { silentProgress } from './silentProgress.ts';

let folder: string;
beforeAll(async () => {
  folder = await tinyTraining();
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Run {
  directory: string;
  reports: Map<string, Report>;
  events: NewRunEvent[];
  phases: string[];
  messages: string[];
  train(options?: Partial<TrainRequest>, hooks?: Partial<TrainHooks>): Promise<TrainOutcome>;
}

let runs = 0;
function newRun(): Run {
  const directory = path.join(folder, `run-${++runs}`);
  mkdirSync(directory);
  const reports = new Map<string, Report>();
  const events: NewRunEvent[] = [];
  const phases: string[] = [];
  const messages: string[] = [];
  const never = new AbortController().signal;
  return {
    directory,
    reports,
    events,
    phases,
    messages,
    train: (options = {}, hooks = {}) =>
      trainBlock(
        {
          configFile: path.join(folder, 'backcompat.json'),
          name: 'v2',
          overrides: {},
          threads: 1,
          cacheFolder: path.join(folder, 'cache'),
          directory,
          resume: false,
          ...options,
        },
        {
          progress: {
            ...silentProgress,
            phase: (name) => void phases.push(name),
            log: (_, message) => void messages.push(message),
          },
          signal: never,
          pause: never,
          event: (event) => void events.push(event),
          async writeReport(part, report) {
            reports.set(part, report);
            writeFileSync(path.join(directory, part, 'report.compat-report.json'), JSON.stringify(report));
          },
          ...hooks,
        },
      ),
  };
}

const bytesOf = (run: Run, name: string) => readFileSync(path.join(run.directory, name));
const doneOf = (outcome: TrainOutcome) => {
  if (outcome.state !== 'done') throw new Error(outcome.state);
  return outcome;
};

describe('a training block', () => {
  it('trains the paragon and the model, and audits both', async () => {
    await writeConfig(folder);
    const run = newRun();
    const { record, report } = doneOf(await run.train());
    expect(record.parts.map(({ folder: part, state, method, lambda }) => [part, state, method, lambda])).toEqual([
      ['paragon', 'done', 'independent', null],
      ['', 'done', 'bct', 1],
    ]);
    expect(record).toMatchObject({ chosen: '', stepsPerEpoch: 6, epochsPlanned: 2, engine: 'onnx', seed: 0 });
    expect(record.oldHead).toEqual({ kind: 'synthesised', classes: 4, known: 4 });
    expect(record.parts[1]?.epochs.map(({ epoch, step }) => [epoch, step])).toEqual([
      [0, 0],
      [1, 6],
      [2, 12],
    ]);
    const [start, , last] = record.parts[1]?.epochs ?? [];
    expect(last?.loss).not.toBeNull();
    expect(Object.keys(last?.terms ?? {})).toEqual(['classification', 'influence']);
    expect(start?.newNew?.map).toBeGreaterThan(0);
    expect(JSON.parse(bytesOf(run, 'training.json').toString())).toEqual(record);

    expect(report).toMatchObject({
      pair: 'v2',
      old: { name: 'v1' },
      new: { name: 'v2' },
      paragon: { name: 'v2/paragon' },
    });
    expect(report?.tax?.map).toBeTypeOf('number');
    expect(run.reports.get('paragon')).toMatchObject({ pair: 'v2/paragon', paragon: null });
    // Everything held out is measured in full here, so epoch and audit agree.
    expect(last?.newOld?.map).toBeCloseTo(report?.criterion.map?.new as number, 6);
    expect(run.events.filter(({ type }) => type === 'epoch')).toHaveLength(6);
    expect(run.events.filter(({ type }) => type === 'step').length).toBeGreaterThan(1);

    const head = await readHead(path.join(run.directory, 'head.safetensors'));
    expect(head).toMatchObject({ kind: 'nsoftmax', classNames: ['0', '1', '2', '3'], dimension: 6 });
    expect(existsSync(path.join(run.directory, 'states'))).toBe(false);
    // The paragon differs: it was trained without the old head.
    expect(bytesOf(run, 'model.onnx').equals(bytesOf(run, 'paragon/model.onnx'))).toBe(false);
  });

  it('ends with the same bytes again, and after a pause at any step', async () => {
    await writeConfig(folder);
    const first = newRun();
    await first.train();
    for (const stopAt of [7, 14]) {
      const run = newRun();
      const pause = new AbortController();
      let steps = 0;
      const breathing = { ...silentProgress, update: () => void (++steps === stopAt && pause.abort()) };
      expect(await run.train({}, { pause: pause.signal, progress: breathing })).toEqual({ state: 'paused' });
      expect(existsSync(path.join(run.directory, 'model.onnx'))).toBe(false);
      doneOf(await run.train({ resume: true }));
      for (const name of ['model.onnx', 'paragon/model.onnx', 'head.safetensors']) {
        expect(bytesOf(run, name).equals(bytesOf(first, name)), `${name} after ${stopAt}`).toBe(true);
      }
    }
  });

  it('does not go on after what it depends on has changed, and says what', async () => {
    await writeConfig(folder);
    const run = newRun();
    const cancel = new AbortController();
    const breathing = { ...silentProgress, update: () => cancel.abort() };
    await expect(run.train({}, { signal: cancel.signal, progress: breathing })).rejects.toMatchObject({
      code: 'cancelled',
    });
    await writeConfig(folder, { batchSize: 8 });
    await expect(run.train({ resume: true })).rejects.toThrow(
      /cannot go on: training\.v2\.batchSize was 16 and is 8 since it began/,
    );
    await writeConfig(folder, { classes: ['0', '1', '2'], lambda: 2 });
    await expect(run.train({ resume: true })).rejects.toThrow(
      /"the training items", "training\.v2\.classes" and "training\.v2\.lambda" changed since it began/,
    );
    await writeConfig(folder);
    await expect(run.train({ resume: true, overrides: { seed: 3 } })).rejects.toThrow(/the seed was 0 and is 3/);
    expect(doneOf(await run.train({ resume: true })).record.chosen).toBe('');
  });

  it('tries each value of a sweep, chooses one, and lays its files beside the parts', async () => {
    await writeConfig(folder, { lambda: [0, 2], paragon: false, epochs: 1 });
    const run = newRun();
    const { record, report } = doneOf(await run.train());
    expect(record.parts.map(({ folder: part }) => part)).toEqual(['lambda-0', 'lambda-2']);
    expect(record.parts.every(({ model, report: file }) => model !== null && file !== null)).toBe(true);
    const chosen = record.chosen as string;
    expect(report?.pair).toBe(`v2/${chosen}`);
    expect(bytesOf(run, 'model.onnx').equals(bytesOf(run, `${chosen}/model.onnx`))).toBe(true);
    expect(bytesOf(run, 'report.compat-report.json').equals(bytesOf(run, `${chosen}/report.compat-report.json`))).toBe(
      true,
    );
  });

  it('trains on some classes without an old model, and has nothing to audit', async () => {
    const block = { old: undefined, paragon: false, classes: ['1', '3'], method: 'independent', epochs: 1 };
    await writeConfig(folder, block);
    const run = newRun();
    const { record, report } = doneOf(await run.train());
    expect(report).toBeNull();
    expect(record.parts[0]?.epochs[1]).toMatchObject({
      newOld: null,
      criterion: null,
      terms: { classification: expect.any(Number) },
    });
    expect((await readHead(path.join(run.directory, 'head.safetensors'))).classNames).toEqual(['1', '3']);
    await writeConfig(folder, { ...block, classes: ['1', 'seven'] });
    await expect(newRun().train()).rejects.toMatchObject({
      code: 'bad-config',
      message: 'tiny/train has no items of "seven".',
      place: { field: 'training.v2.classes' },
    });
  });

  it('trains the last layer of a checkpoint on features that are computed once', async () => {
    await writeConfig(folder, { epochs: 1, paragon: false });
    const first = newRun();
    await first.train();
    const model = { model: path.join(first.directory, 'model.onnx'), preprocess: { mean: [0.5], std: [0.5] } };
    const block = { from: 'start', dimension: undefined, trainable: 'embedding', paragon: false };
    await writeConfig(folder, block, {}, { start: model });
    const split = newRun();
    const [onFeatures] = doneOf(await split.train()).record.parts;
    expect(split.phases).toContain('Computing the frozen part of the model on tiny/train');
    const whole = newRun();
    const [onPixels] = doneOf(await whole.train({}, { createTrainer: createOnnxTrainer })).record.parts;
    expect(whole.phases.join()).not.toContain('frozen part');
    onFeatures?.epochs.forEach(({ loss, newNew }, epoch) => {
      // The same products in graphs that the runtime arranges otherwise: they differ by rounding.
      if (loss !== null) expect(loss).toBeCloseTo(onPixels?.epochs[epoch]?.loss as number, 4);
      expect(newNew?.map).toBeCloseTo(onPixels?.epochs[epoch]?.newNew?.map as number, 3);
    });
    expect(bytesOf(split, 'model.onnx').equals(bytesOf(first, 'model.onnx'))).toBe(false);
  });

  it('stops at weights that are not finite and keeps the last good state', async () => {
    await writeConfig(folder, { optimizer: { name: 'sgd', learningRate: 1e30, schedule: 'constant' }, paragon: false });
    const run = newRun();
    await expect(run.train({}, { saveEverySeconds: 0 })).rejects.toMatchObject({
      code: 'diverged',
      message: expect.stringMatching(
        /in step \d+ \(epoch 1\); the first is in ".+"\. The last good state is that of step \d/,
      ),
    });
    expect(existsSync(path.join(run.directory, 'states'))).toBe(true);
    expect(existsSync(path.join(run.directory, 'model.onnx'))).toBe(false);
  });

  it('says that the disk is full, and goes on from the state before once there is room', async () => {
    await writeConfig(folder, { paragon: false });
    const undisturbed = newRun();
    await undisturbed.train();
    const run = newRun();
    const createTrainer: CreateTrainer = async (spec) => {
      const trainer = await createOnnxTrainer(spec);
      const state = trainer.state.bind(trainer);
      let asked = 0;
      trainer.state = async () => {
        const { step, tensors } = await state();
        if (++asked < 9) return { step, tensors };
        // Met when its bytes are written, with the first half of the file on the disk.
        const [name] = Object.keys(tensors) as [string];
        const full = {
          shape: [],
          get data(): Float32Array {
            throw Object.assign(new Error('no space left on device'), { code: 'ENOSPC' });
          },
        };
        return { step, tensors: { ...tensors, [name]: full } };
      };
      return trainer;
    };
    await expect(run.train({}, { createTrainer, saveEverySeconds: 0 })).rejects.toMatchObject({
      code: 'write-failed',
      message: expect.stringMatching(/^The state of step \d+ could not be written\. The disk is full/),
      remedy: expect.stringMatching(/resume/),
    });
    doneOf(await run.train({ resume: true }));
    expect(bytesOf(run, 'model.onnx').equals(bytesOf(undisturbed, 'model.onnx'))).toBe(true);
  });

  it('gives the config a checkpoint by its name, with preprocessing and head', async () => {
    await writeConfig(folder, { epochs: 1 });
    const configFile = path.join(folder, 'backcompat.json');
    const writer = await createRun({
      place: { baseFolder: folder, out: null },
      kind: 'train',
      name: 'v2',
      configFile,
      configText: null,
      arguments: [],
      tool: 'backcompat test',
    });
    const loaded = await loadConfig(configFile);
    await expect(namedCheckpoint(loaded, 'v2')).rejects.toMatchObject({
      code: 'bad-config',
      remedy: expect.stringMatching(/backcompat train/),
    });
    const run = newRun();
    await run.train({ directory: writer.directory }, { writeReport: async () => undefined });
    writer.finish('done', { exitStatus: 0 });
    const named = await namedCheckpoint(loaded, 'v2');
    expect(named).toMatchObject({
      folder: writer.directory,
      definition: {
        model: 'model.onnx',
        preprocess: { size: [12, 12], channels: 1, mean: [0.5], std: [0.5], resize: 'crop' },
        head: { weights: 'head.safetensors' },
      },
    });
    const checkpoint = await openCheckpoint('v2', named.definition, named.folder);
    const items = await itemLoader(loaded)('tiny/query');
    const options = { cacheFolder: path.join(folder, 'cache'), progress: silentProgress };
    const vectors = await embed(checkpoint, items, options);
    expect([vectors.count, vectors.dimension]).toEqual([40, 6]);
    await vectors.close();
    await checkpoint.close();
    expect((await namedCheckpoint(loaded, 'v2/paragon')).folder).toBe(path.join(writer.directory, 'paragon'));
  });
});

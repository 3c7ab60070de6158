import { describe, expect, it } from 'vitest';
import { vectorsInMemory } from '../../src/core/data/vectorSource.ts';
import { type ClassStatistics, classStatistics } from '../../src/core/training/heads/classStatistics.ts';
import { type HeadKind, headForm, initialHead } from '../../src/core/training/heads/head.ts';
import {
  createObjective,
  objectiveSettings,
  type TrainingMethod,
} from '../../src/core/training/objectives/createObjective.ts';
import type { Objective } from '../../src/core/training/objectives/objective.ts';
import { trainGraph } from '../../src/core/training/onnxTrainer.ts';
import { createTfjsTrainer } from '../../src/core/training/tfjsTrainer.ts';
import type { OptimizerSettings, Trainer } from '../../src/core/training/trainer.ts';
import { temporaryFolder } from '../fixtures/data/make.ts';
import { CLASSES, DIMENSION, twinBatch, twinGraph, writeTwin } from './twinNetworks.ts';

const classNames = Array.from({ length: CLASSES }, (_, label) => `class ${label}`);
const sgd: OptimizerSettings = { name: 'sgd', weightDecay: 1e-3, momentum: 0.9, nesterov: false };
const adamw: OptimizerSettings = { name: 'adamw', weightDecay: 0.01, beta1: 0.9, beta2: 0.999, epsilon: 1e-8 };

async function statisticsOf(): Promise<ClassStatistics> {
  const { fields } = twinBatch(0, 60);
  const vectors = vectorsInMemory('old', fields.oldVectors?.data as Float32Array, DIMENSION);
  return classStatistics(vectors, fields.labels?.data as Int32Array, CLASSES);
}

async function objectiveOf(
  method: TrainingMethod,
  kind: HeadKind,
  oldHead: 'synthesised' | 'distilled',
): Promise<Objective> {
  const head = initialHead(
    { ...headForm(kind), ...(method === 'mixbct' ? { unitVectors: true } : {}) },
    classNames,
    DIMENSION,
    1,
  );
  return createObjective(
    { ...objectiveSettings({ method, oldHead }), contrastive: { temperature: 0.1, hardest: 3 } },
    {
      head,
      old: {
        space: { rule: 'equal', oldDimension: DIMENSION, newDimension: DIMENSION },
        head: initialHead(headForm('nsoftmax'), classNames, DIMENSION, 2),
        statistics: await statisticsOf(),
      },
    },
  );
}

async function both(objective: Objective, optimizer: OptimizerSettings): Promise<[Trainer, Trainer]> {
  const rest = { objective, optimizer, clipNorm: 1, threads: 2, lowMemory: false };
  const file = await writeTwin(temporaryFolder());
  const start = { kind: 'file', file, output: 'embedding' } as const;
  return [await trainGraph(twinGraph(), rest), await createTfjsTrainer({ ...rest, start, trainable: 'all' })];
}

/** Of float32 sums of some hundred products, relative to the largest. */
const TOLERANCE = 1e-4;

describe('the same training in ONNX Runtime and in TensorFlow.js', () => {
  it.each<[TrainingMethod, HeadKind, 'synthesised' | 'distilled']>([
    ['independent', 'linear', 'synthesised'],
    ['independent', 'cosface', 'synthesised'],
    ['independent', 'arcface', 'synthesised'],
    ['bct', 'nsoftmax', 'synthesised'],
    ['bct', 'nsoftmax', 'distilled'],
    ['l2', 'nsoftmax', 'synthesised'],
    ['contrastive', 'nsoftmax', 'synthesised'],
    ['mixbct', 'nsoftmax', 'synthesised'],
    ['advbct-boundary', 'nsoftmax', 'synthesised'],
  ])('%s with %s (%s): loss, gradients and ten steps agree to 1e-4', async (method, kind, oldHead) => {
    const trainers = await both(await objectiveOf(method, kind, oldHead), method === 'l2' ? sgd : adamw);
    const [onnx, tfjs] = trainers;
    const batch = twinBatch(1);
    const expected = await onnx.gradients(batch);
    const found = await tfjs.gradients(batch);
    expect(Math.abs(found.loss - expected.loss)).toBeLessThan(TOLERANCE * Math.abs(expected.loss));
    expect(Object.keys(found.gradients).sort()).toEqual(Object.keys(expected.gradients).sort());
    for (const [name, gradient] of Object.entries(expected.gradients)) {
      const largest = gradient.reduce((most, value) => Math.max(most, Math.abs(value)), 1e-3);
      gradient.forEach((value, i) => {
        const difference = Math.abs(value - (found.gradients[name]?.[i] as number));
        expect(difference, `${name}[${i}]`).toBeLessThan(TOLERANCE * largest);
      });
    }
    for (let step = 0; step < 10; step++) {
      const [one, two] = [await onnx.step(twinBatch(step), 0.01), await tfjs.step(twinBatch(step), 0.01)];
      expect(Math.abs(one.loss - two.loss), `step ${step}`).toBeLessThan(TOLERANCE * Math.abs(one.loss));
      expect(Object.keys(two.terms)).toEqual(Object.keys(one.terms));
    }
    for (const trainer of trainers) await trainer.close();
  });
});

import { readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Scalar, Tensor } from '@tensorflow/tfjs-core';
import { describe, expect, it } from 'vitest';
import { differentiate } from '../../src/core/engine/differentiation/differentiate.ts';
import { GraphBuilder, type Value } from '../../src/core/engine/graph.ts';
import { graphOperations } from '../../src/core/engine/graphOperations.ts';
import { createSession, type Tensor as SessionTensor } from '../../src/core/engine/session.ts';
import { tfjsOperations } from '../../src/core/engine/tfjsOperations.ts';
import { tfjsRuntime } from '../../src/core/engine/tfjsRuntime.ts';
import type { ClassStatistics } from '../../src/core/training/heads/classStatistics.ts';
import { type Head, type HeadKind, headForm } from '../../src/core/training/heads/head.ts';
import {
  type ClassMeans,
  dataCoherenceTerm,
  modelCoherenceTerm,
} from '../../src/core/training/objectives/coherence.ts';
import {
  createObjective,
  type ObjectiveSettings,
  type OldSide,
  objectiveSettings,
  resolveOldSpace,
} from '../../src/core/training/objectives/createObjective.ts';
import { distillationTerm } from '../../src/core/training/objectives/influence.ts';
import type { Objective, ObjectiveStep } from '../../src/core/training/objectives/objective.ts';
import { composeObjective, type ObjectiveTerm } from '../../src/core/training/objectives/term.ts';
import { weightPenaltyTerm } from '../../src/core/training/objectives/weightPenalty.ts';
import { plainLoss, type StepData } from './objectiveData.ts';
import { type Plain, plain } from './plainOperations.ts';

interface Fixture {
  shapes: Record<string, number[]>;
  data: Record<string, number[]>;
  labels: number[];
  oldLabels: number[];
  cases: Record<string, { loss: number; gradients: Record<string, number[]> }>;
}

/** Written by bench/reference/makeObjectiveFixtures.py. */
const fixture = JSON.parse(
  readFileSync(path.join(fileURLToPath(new URL('../fixtures/training', import.meta.url)), 'objectives.json'), 'utf8'),
) as Fixture;

const float32 = (name: string) => Float32Array.from(fixture.data[name] as number[]);
const tensor = (name: string) => plain(float32(name), fixture.shapes[name] as number[]);
const count = fixture.labels.length;
const [classes, dimension] = fixture.shapes.rows as [number, number];

function headOf(kind: HeadKind, rest: Partial<Head> = {}): Head {
  const head = {
    ...headForm(kind),
    classNames: ['a', 'b', 'c', 'd'],
    dimension,
    rows: float32('rows'),
    bias: kind === 'linear' ? float32('bias') : null,
    ...rest,
  };
  return { ...head, classNames: head.classNames.slice(0, head.rows.length / head.dimension) };
}

const radii = fixture.data.radii as number[];
const statistics: ClassStatistics = {
  classes,
  dimension,
  counts: new Int32Array(classes),
  means: float32('means'),
  radii: Float32Array.from(radii),
  credibleRadii: Float32Array.from(radii, (radius) => radius + 0.75),
};
const oldHead = headOf('nsoftmax', { rows: float32('oldRows'), unitRows: false });
const linearOldHead = headOf('linear', { rows: float32('oldRows'), bias: float32('oldBias') });

function objectiveOf(settings: Partial<ObjectiveSettings>, head: Head | null, old: Partial<OldSide> = {}): Objective {
  const space = resolveOldSpace(null, dimension, dimension);
  const all = { ...objectiveSettings({}), ...settings };
  return createObjective(all, { head, old: { space, head: null, statistics, ...old } });
}

const alone = (term: ObjectiveTerm): Objective => composeObjective(term.name, [term]);
const equal = resolveOldSpace(null, dimension, dimension);
/** The last class is in no stored gallery. */
const centres: ClassMeans = { classes, dimension, means: float32('means'), isKnown: Int32Array.of(1, 1, 1, 0) };
const stored = { vectors: float32('storedVectors'), labels: Int32Array.of(0, 1, 2, 3) };
const memory = {
  weights: { shape: [count, dimension], weights: float32('oldVectors'), fisher: float32('fisher') },
};

/** The compatibility term alone: without a new head there is no classification. */
const objectives: Record<string, Objective> = {
  linear: objectiveOf({ method: 'independent' }, headOf('linear')),
  nsoftmax: objectiveOf({ method: 'independent' }, headOf('nsoftmax')),
  cosface: objectiveOf({ method: 'independent' }, headOf('cosface')),
  arcface: objectiveOf({ method: 'independent' }, headOf('arcface')),
  bct: objectiveOf({ method: 'bct', lambda: 0.5 }, null, { head: oldHead }),
  'bct, linear': objectiveOf({ method: 'bct' }, null, { head: linearOldHead }),
  'bct, sliced': objectiveOf({ method: 'bct' }, null, {
    space: resolveOldSpace('slice', 4, dimension),
    head: headOf('nsoftmax', { rows: float32('slicedRows'), dimension: 4, scale: 10 }),
  }),
  distilled: objectiveOf({ method: 'bct', oldHead: 'distilled', lambda: 0.5 }, null, { head: linearOldHead }),
  l2: objectiveOf({ method: 'l2', lambda: 2 }, null),
  contrastive: objectiveOf({ method: 'contrastive', lambda: 0.5, contrastive: { temperature: 0.1, hardest: 3 } }, null),
  mixbct: objectiveOf({ method: 'mixbct', mixbct: { share: 0.6 } }, headOf('nsoftmax')),
  'model coherence': alone(modelCoherenceTerm(equal, 10)),
  'model coherence, stored vectors': alone(modelCoherenceTerm(equal, 10, stored)),
  'data coherence': alone(dataCoherenceTerm(equal, centres, 2, 'paper')),
  'data coherence, code': alone(dataCoherenceTerm(equal, centres, 2, 'code')),
  'without forgetting': alone(distillationTerm(oldHead, equal, 0.5, 2)),
  consolidation: alone(weightPenaltyTerm(memory, 100)),
  'advbct-boundary': objectiveOf({ method: 'advbct-boundary', lambda: 2 }, null),
};

const data: StepData = {
  embedding: tensor('embedding'),
  fields: {
    labels: plain(fixture.labels, [count]),
    oldLabels: plain(fixture.oldLabels, [count]),
    oldVectors: tensor('oldVectors'),
    oldLengths: tensor('oldLengths'),
    chance: tensor('chance'),
  },
};

interface Differentiated {
  loss: number;
  gradients: Record<string, Float32Array>;
}

/** Loss and gradients by the ONNX engine. */
async function differentiatedByOnnx(objective: Objective): Promise<Differentiated> {
  const graph = new GraphBuilder('objective');
  const feeds: Record<string, SessionTensor> = {};
  const facts = new Map<string, { shape: readonly (number | null)[]; type: string }>();
  const input = (name: string, { shape, values }: { shape: readonly number[]; values: Float64Array }): Value => {
    const isIndex = /labels$/i.test(name);
    feeds[name] = { shape, data: isIndex ? Int32Array.from(values) : Float32Array.from(values) };
    facts.set(name, { shape, type: isIndex ? 'int32' : 'float32' });
    return graph.input(name, isIndex ? 'int32' : 'float32', shape);
  };
  const fields = Object.fromEntries(objective.fields.map((name) => [name, input(name, data.fields[name] as never)]));
  const parameters = Object.fromEntries(
    objective.parameters.map(({ name, shape, data: values }) => [name, input(name, plain(values, shape))]),
  );
  const embedding = input('embedding', data.embedding);
  const terms = objective.terms(graphOperations(graph), {
    embedding,
    fields: fields as ObjectiveStep<Value>['fields'],
    parameters,
    modelParameters: { weights: embedding },
  });
  const loss = Object.values(terms).reduce((sum, term) => graph.node('Add', [sum, term]), graph.scalar(0));
  const trained = objective.parameters.filter(({ isTrained }) => isTrained).map(({ name }) => name);
  const wrt = ['embedding', ...trained];
  const gradients = differentiate(graph, loss, wrt as Value[], facts);
  graph.output('loss', loss, 'float32', []);
  gradients.forEach((gradient, index) => {
    const shape = feeds[wrt[index] as string]?.shape as number[];
    if (gradient !== null) graph.output(`d ${wrt[index]}`, gradient, 'float32', shape);
  });
  const session = await createSession(graph.build(), { threads: 1 });
  try {
    const results = await session.run(feeds);
    return {
      loss: Number(results.loss?.data[0]),
      gradients: Object.fromEntries(wrt.map((name) => [name, results[`d ${name}`]?.data as Float32Array])),
    };
  } finally {
    await session.release();
  }
}

/** The same by TensorFlow.js. */
async function differentiatedByTfjs(objective: Objective): Promise<Differentiated> {
  const { core: tf, native } = await tfjsRuntime();
  expect(native).not.toBeNull();
  const tensorOf = ({ shape, values }: Plain, isIndex: boolean) =>
    tf.tensor(isIndex ? Int32Array.from(values) : Float32Array.from(values), [...shape], isIndex ? 'int32' : 'float32');
  const trained = objective.parameters.filter(({ isTrained }) => isTrained);
  const names = ['embedding', ...trained.map(({ name }) => name)];
  const inputs = [data.embedding, ...trained.map(({ data: values, shape }) => plain(values, shape))];
  const found = tf.tidy(() => {
    const fields = Object.fromEntries(
      objective.fields.map((name) => [name, tensorOf(data.fields[name] as Plain, /labels$/i.test(name))]),
    );
    const frozen = objective.parameters.filter(({ isTrained }) => !isTrained);
    const loss = (...given: Tensor[]): Scalar => {
      const [embedding, ...weights] = given as [Tensor, ...Tensor[]];
      const parameters = Object.fromEntries([
        ...frozen.map(({ name, data: values, shape }) => [name, tensorOf(plain(values, shape), false)]),
        ...trained.map(({ name }, index) => [name, weights[index]]),
      ]);
      const terms = objective.terms(tfjsOperations(tf), {
        embedding,
        fields: fields as ObjectiveStep<Tensor>['fields'],
        parameters,
        modelParameters: { weights: embedding },
      });
      return tf.addN(Object.values(terms)) as Scalar;
    };
    return tf.valueAndGrads(loss)(inputs.map((values) => tensorOf(values, false)));
  });
  const gradients = found.grads.map((gradient) => gradient.dataSync() as Float32Array);
  const value = found.value.dataSync()[0] as number;
  tf.dispose([found.value, ...found.grads]);
  return { loss: value, gradients: Object.fromEntries(names.map((name, k) => [name, gradients[k] as Float32Array])) };
}

const engines = { 'the ONNX engine': differentiatedByOnnx, 'TensorFlow.js': differentiatedByTfjs };

/** Largest difference, in units of the largest reference value. */
function relativeError(values: ArrayLike<number>, reference: ArrayLike<number>): number {
  expect(values.length).toBe(reference.length);
  const scale = Math.max(...Array.from(reference, Math.abs));
  return Math.max(...Array.from(reference, (value, k) => Math.abs(value - (values[k] as number)))) / scale;
}

describe.each(Object.keys(objectives))('%s', (name) => {
  const objective = objectives[name] as Objective;
  const reference = fixture.cases[name] as Fixture['cases'][string];

  it('is what PyTorch computes in double', () => {
    expect(plainLoss(objective, data)).toBeCloseTo(reference.loss, 6);
  });

  it.each(Object.entries(engines))('has the loss and the gradients of PyTorch in %s', async (_, differentiated) => {
    const { loss, gradients } = await differentiated(objective);
    expect(Math.abs(loss - reference.loss)).toBeLessThan(1e-5 * Math.max(1, reference.loss));
    for (const [parameter, expected] of Object.entries(reference.gradients)) {
      expect(relativeError(gradients[parameter] as Float32Array, expected)).toBeLessThan(1e-4);
    }
  });

  it('has gradients that agree with finite differences', async () => {
    const { gradients } = await differentiatedByOnnx(objective);
    // Central differences in double: 1e-5 leaves errors of 1e-10 of the third derivative.
    const step = 1e-5;
    const slopes = Array.from(data.embedding.values, (_, index) => {
      const moved = (by: number) => {
        const values = data.embedding.values.slice();
        values[index] = (values[index] as number) + by;
        return plainLoss(objective, { ...data, embedding: { ...data.embedding, values } });
      };
      return (moved(step) - moved(-step)) / (2 * step);
    });
    expect(relativeError(gradients.embedding as Float32Array, slopes)).toBeLessThan(1e-4);
  });
});

describe('composition', () => {
  it('sums terms of several methods, and shares what they share', () => {
    const influence = objectives.bct as Objective;
    const both = createObjective(objectiveSettings({ method: 'l2' }), {
      head: headOf('cosface'),
      old: { space: resolveOldSpace(null, dimension, dimension), head: null, statistics: null },
      terms: [
        {
          name: 'extra',
          fields: ['oldLabels'],
          parameters: influence.parameters,
          value: (ops, step) => influence.terms(ops, step).influence as never,
        },
      ],
    });
    expect(both.fields).toEqual(['labels', 'oldVectors', 'oldLabels']);
    expect(both.parameters.map(({ name }) => name)).toEqual(['head.weight', 'oldHead.weight']);
    const expected =
      (fixture.cases.cosface?.loss ?? 0) + (fixture.cases.l2?.loss ?? 0) / 2 + (fixture.cases.bct?.loss ?? 0);
    expect(plainLoss(both, data)).toBeCloseTo(expected, 6);
    expect(composeObjective('none', []).terms({} as never, {} as never)).toEqual({});
  });
});

import { describe, expect, it } from 'vitest';
import { vectorsInMemory } from '../../src/core/data/vectorSource.ts';
import { type ClassStatistics, classStatistics } from '../../src/core/training/heads/classStatistics.ts';
import {
  growHead,
  type Head,
  type HeadKind,
  headForm,
  headParameters,
  trainedHead,
} from '../../src/core/training/heads/head.ts';
import { classificationTerm } from '../../src/core/training/objectives/classification.ts';
import {
  createObjective,
  neededOfOld,
  newHead,
  type ObjectiveSettings,
  objectiveSettings,
  resolveOldSpace,
} from '../../src/core/training/objectives/createObjective.ts';
import { distillationTerm } from '../../src/core/training/objectives/influence.ts';
import type { Objective } from '../../src/core/training/objectives/objective.ts';
import { composeObjective } from '../../src/core/training/objectives/term.ts';
import { gaussians, plainTerms, rowsOf, type StepData, unit } from './objectiveData.ts';
import { type Plain, plain } from './plainOperations.ts';

function headOf(kind: HeadKind, rows: readonly (readonly number[])[], rest: Partial<Head> = {}): Head {
  return {
    ...headForm(kind),
    classNames: rows.map((_, row) => `class ${row}`),
    dimension: (rows[0] as readonly number[]).length,
    rows: Float32Array.from(rows.flat()),
    bias: kind === 'linear' ? new Float32Array(rows.length) : null,
    ...rest,
  };
}

const matrix = (rows: readonly (readonly number[])[]) => plain(rows.flat(), [rows.length, (rows[0] as []).length]);
const list = (...values: number[]) => plain(values, [values.length]);
const classification = (head: Head, embedding: Plain, labels: Plain) =>
  plainTerms(composeObjective('test', [classificationTerm(head)]), { embedding, fields: { labels } })
    .classification as number;

const settings = (given: Partial<ObjectiveSettings>): ObjectiveSettings => ({
  ...objectiveSettings({}),
  ...given,
});
const space = { rule: 'equal', oldDimension: 2, newDimension: 2 } as const;
const two = headOf('nsoftmax', [
  [2, 0],
  [0, 5],
]);

describe('heads by hand', () => {
  it('linear: a softmax of 3/4 and 1/4; items without a class do not count', () => {
    const head = headOf('linear', [
      [1, 0],
      [0, 1],
    ]);
    const x = matrix([
      [Math.log(3), 0],
      [Math.log(3), 0],
      [7, -9],
    ]);
    expect(classification(head, x, list(0, 0, -1))).toBeCloseTo(Math.log(4 / 3), 12);
    expect(classification(head, x, list(0, 1, -1))).toBeCloseTo((Math.log(4 / 3) + Math.log(4)) / 2, 12);
    expect(classification(head, x, list(-1, -1, -1))).toBeCloseTo(0, 12);
    // A bias of ln 3 for the second class evens the first item's.
    const biased = { ...head, bias: Float32Array.of(0, Math.log(3)) };
    expect(classification(biased, x, list(0, -1, -1))).toBeCloseTo(Math.log(2), 6);
  });

  it('nsoftmax: cosines .6 and .8 at T = 0.05 are logits 12 and 16, whatever the lengths', () => {
    expect(classification(two, matrix([[3, 4]]), list(0))).toBeCloseTo(Math.log(1 + Math.exp(4)), 10);
    expect(
      classification({ ...two, ...headForm('nsoftmax', { temperature: 0.1 }) }, matrix([[30, 40]]), list(0)),
    ).toBeCloseTo(Math.log(1 + Math.exp(2)), 10);
  });

  it('cosface: the own cosine less .3, times 30', () => {
    const head = { ...two, ...headForm('cosface') };
    expect(classification(head, matrix([[3, 4]]), list(0))).toBeCloseTo(Math.log(1 + Math.exp(30 * (0.8 - 0.3))), 10);
  });

  it('arcface: the own angle plus .5, and the guard beyond a half turn', () => {
    const head = { ...two, ...headForm('arcface') };
    const own = Math.cos(Math.acos(0.6) + 0.5);
    expect(classification(head, matrix([[3, 4]]), list(0))).toBeCloseTo(Math.log(1 + Math.exp(30 * (0.8 - own))), 10);
    // acos(-.96) + .5 = 3.36 is beyond pi.
    const beyond = -0.96 - 0.5 * Math.sin(0.5);
    expect(classification(head, matrix([[-0.96, 0.28]]), list(0))).toBeCloseTo(30 * (0.28 - beyond), 6);
  });

  it('arcface falls with the own cosine everywhere, across the guard too', () => {
    const head = { ...two, ...headForm('arcface') };
    const losses = Array.from({ length: 200 }, (_, step) => {
      const angle = (Math.PI * step) / 199;
      return classification(head, matrix([[Math.cos(angle), Math.sin(angle)]]), list(0));
    });
    // The other class's cosine falls again after a quarter turn, so only the first half must rise.
    for (let step = 1; step < 100; step++) expect(losses[step]).toBeGreaterThan(losses[step - 1] as number);
    expect(losses.every(Number.isFinite)).toBe(true);
  });
});

describe('methods by hand', () => {
  const terms = (objective: Objective, data: StepData) => plainTerms(objective, data);
  const oldSide = (given: { head?: Head; statistics?: ClassStatistics }) => ({
    space,
    head: given.head ?? null,
    statistics: given.statistics ?? null,
  });
  const statistics: ClassStatistics = {
    classes: 2,
    dimension: 2,
    counts: Int32Array.of(10, 10),
    means: Float32Array.of(0.5, 0, 0, 1),
    radii: Float32Array.of(0.25, 0.5),
    credibleRadii: Float32Array.of(0.6, 0.25),
  };

  it('independent adds nothing', () => {
    const objective = createObjective(settings({ method: 'independent' }), { head: two, old: null });
    const data = { embedding: matrix([[3, 4]]), fields: { labels: list(0) } };
    expect(terms(objective, data)).toEqual({ classification: expect.closeTo(Math.log(1 + Math.exp(4)), 10) });
    expect(objective.fields).toEqual(['labels']);
    expect(neededOfOld(settings({ method: 'independent' }))).toEqual({
      vectors: false,
      head: false,
      statistics: false,
    });
  });

  it('bct: lambda times the old head’s loss of the new vector, over the classes it knows', () => {
    const head = headOf('nsoftmax', [
      [0, 1],
      [1, 0],
    ]);
    const objective = createObjective(settings({ method: 'bct', lambda: 2 }), { head: two, old: oldSide({ head }) });
    const data = {
      embedding: matrix([
        [3, 4],
        [1, 0],
      ]),
      fields: { labels: list(0, 0), oldLabels: list(1, -1) },
    };
    // Old logits of the first item: 16 and 12, its class is the second; the other item's class is not known.
    expect(terms(objective, data).influence).toBeCloseTo(2 * Math.log(1 + Math.exp(4)), 10);
    expect(objective.parameters.map(({ name, isTrained }) => [name, isTrained])).toEqual([
      ['head.weight', true],
      ['oldHead.weight', false],
    ]);
  });

  it('distilled: cross-entropy between the old softmax of the old and of the new vector', () => {
    const old = headOf('linear', [
      [1, 0],
      [0, 1],
    ]);
    const objective = createObjective(settings({ method: 'bct', oldHead: 'distilled' }), {
      head: two,
      old: oldSide({ head: old }),
    });
    // Old vector (ln 3, 0) as (1, 0) of length ln 3: 3/4, 1/4. New vector (0, ln 4): 1/5, 4/5.
    const data = {
      embedding: matrix([[0, Math.log(4)]]),
      fields: { labels: list(-1), oldVectors: matrix([[1, 0]]), oldLengths: list(Math.log(3)) },
    };
    expect(terms(objective, data).influence).toBeCloseTo(0.75 * Math.log(5) + 0.25 * Math.log(5 / 4), 10);
    expect(terms(objective, data).classification).toBeCloseTo(0, 12);
    expect(objective.fields).toEqual(['labels', 'oldVectors', 'oldLengths']);
    // T = 2 halves the logits: roots of 3 and 4.
    const softer = composeObjective('lwf', [distillationTerm(old, space, 1, 2)]);
    const [a, b] = [Math.sqrt(3) / (Math.sqrt(3) + 1), Math.sqrt(4) / (Math.sqrt(4) + 1)];
    expect(terms(softer, data).influence).toBeCloseTo(-a * Math.log(1 - b) - (1 - a) * Math.log(b), 10);
  });

  it('l2: lambda times the squared distance of unit vectors', () => {
    const objective = createObjective(settings({ method: 'l2', lambda: 2 }), { head: two, old: oldSide({}) });
    const data = { embedding: matrix([[3, 4]]), fields: { labels: list(0), oldVectors: matrix([[1, 0]]) } };
    expect(terms(objective, data).distance).toBeCloseTo(2 * (0.4 ** 2 + 0.8 ** 2), 10);
  });

  it('contrastive: the own old vector against old and new ones of other classes', () => {
    const objective = createObjective(
      settings({ method: 'contrastive', contrastive: { temperature: 1, hardest: 10 } }),
      {
        head: two,
        old: oldSide({}),
      },
    );
    const data = {
      embedding: matrix([
        [1, 0],
        [0, 2],
        [1, 0],
      ]),
      fields: {
        labels: list(0, 1, -1),
        oldVectors: matrix([
          [1, 0],
          [0.6, 0.8],
          [1, 0],
        ]),
      },
    };
    const e = Math.exp;
    // First: f.g = 1, old negative .6, new negative 0. Second: f.g = .8, old negative 0, new negative 0.
    const first = -Math.log(e(1) / (e(1) + e(0.6) + e(0)));
    const second = -Math.log(e(0.8) / (e(0.8) + e(0) + e(0)));
    expect(terms(objective, data).contrast).toBeCloseTo((first + second) / 2, 10);
    // The hardest alone: of two negatives of a kind, the nearer.
    const nearest = createObjective(settings({ method: 'contrastive', contrastive: { temperature: 1, hardest: 1 } }), {
      head: two,
      old: oldSide({}),
    });
    const three = { ...data, fields: { ...data.fields, labels: list(0, 1, 2) } };
    // Now the third item is a negative of the first two, as near to the first as the first itself.
    const hardest = -Math.log(e(1) / (e(1) + e(1) + e(1)));
    expect(terms(nearest, three).contrast).toBeCloseTo((hardest + second + hardest) / 3, 10);
  });

  it('mixbct: the old vector of a credible item where chance says so', () => {
    const head = {
      ...headOf('linear', [
        [1, 0],
        [0, 1],
      ]),
      unitVectors: true,
    };
    const objective = createObjective(settings({ method: 'mixbct' }), { head, old: oldSide({ statistics }) });
    const loss = (chance: number, label: number, old: number[]) =>
      terms(objective, {
        embedding: matrix([[3, 4]]),
        fields: { labels: list(label), oldVectors: matrix([old]), chance: list(chance) },
      }).classification as number;
    const crossEntropy = (a: number, b: number) => Math.log(1 + Math.exp(b - a));
    // |(1, 0) - mu_0| = .5 < .6: credible.
    expect(loss(0.29, 0, [1, 0])).toBeCloseTo(crossEntropy(1, 0), 10);
    expect(loss(0.31, 0, [1, 0])).toBeCloseTo(crossEntropy(0.6, 0.8), 10);
    // |(1, 0) - mu_1| = 1.41: not credible.
    expect(loss(0.29, 1, [1, 0])).toBeCloseTo(crossEntropy(0.8, 0.6), 10);
    expect(
      Object.keys(
        terms(objective, {
          embedding: matrix([[3, 4]]),
          fields: { labels: list(0), oldVectors: matrix([[1, 0]]), chance: list(0.9) },
        }),
      ),
    ).toEqual(['classification']);
  });

  it('advbct-boundary: the excess of those outside, over how many those are', () => {
    const objective = createObjective(settings({ method: 'advbct-boundary', lambda: 3 }), {
      head: two,
      old: oldSide({ statistics }),
    });
    const data = {
      embedding: matrix([
        [9, 0],
        [0, 2],
        [0, 5],
        [-1, 0],
      ]),
      fields: { labels: list(0, 1, 0, -1) },
    };
    // Distances .5 of radius .25, 0 of .5, sqrt(1.25) of .25; the last has no class.
    expect(terms(objective, data).boundary).toBeCloseTo((3 * (0.25 + Math.sqrt(1.25) - 0.25)) / 2, 6);
    const inside = { embedding: matrix([[0, 2]]), fields: { labels: list(1) } };
    expect(terms(objective, inside).boundary).toBeCloseTo(0, 12);
  });
});

describe('spaces of different length', () => {
  it('slices longer vectors before they are normalised, and pads shorter ones', () => {
    const head = headOf('nsoftmax', [
      [1, 0, 0],
      [0, 1, 0],
    ]);
    const sliced = createObjective(settings({ method: 'l2' }), {
      head,
      old: { space: resolveOldSpace('slice', 2, 3), head: null, statistics: null },
    });
    const longer = { embedding: matrix([[3, 4, 99]]), fields: { labels: list(0), oldVectors: matrix([[1, 0]]) } };
    expect(plainTerms(sliced, longer).distance).toBeCloseTo(0.8, 10);
    const padded = createObjective(settings({ method: 'l2' }), {
      head: two,
      old: { space: resolveOldSpace('pad', 3, 2), head: null, statistics: null },
    });
    const shorter = { embedding: matrix([[3, 4]]), fields: { labels: list(0), oldVectors: matrix([[0, 0, 1]]) } };
    expect(plainTerms(padded, shorter).distance).toBeCloseTo(2, 10);
  });

  it('asks for a rule, names the one that fits, and refuses mixbct', () => {
    expect(() => resolveOldSpace(null, 32, 64)).toThrow(
      expect.objectContaining({
        code: 'dimension-mismatch',
        message: 'The old vectors have 32 components, the new ones will have 64; no rule says how they meet.',
        remedy: expect.stringContaining('"dimensionRule": "slice"'),
      }),
    );
    expect(() => resolveOldSpace('slice', 64, 32)).toThrow(/the rule "slice" is for longer new vectors/);
    const mixbct = () =>
      createObjective(settings({ method: 'mixbct' }), {
        head: two,
        old: { space: resolveOldSpace('slice', 1, 2), head: null, statistics: null },
      });
    expect(mixbct).toThrow(/those have 1 components, these 2/);
  });
});

describe('objectives against formulas of their own', () => {
  const [count, dimension, classes] = [23, 6, 4];
  const embedding = gaussians(count, dimension, 1);
  const oldVectors = unit(gaussians(count, dimension, 2));
  const labels = list(...Array.from({ length: count }, (_, item) => (item % 9 === 8 ? -1 : item % classes)));
  const rows = gaussians(classes, dimension, 3);

  const dot = (a: readonly number[], b: readonly number[]) =>
    a.reduce((sum, value, k) => sum + value * (b[k] as number), 0);
  const normalised = (a: readonly number[]) => a.map((value) => value / Math.sqrt(dot(a, a)));
  const away = (a: readonly number[], b: readonly number[]) =>
    Math.hypot(...a.map((value, k) => value - (b[k] as number)));
  const f = rowsOf(embedding).map(normalised);
  const g = rowsOf(oldVectors);
  const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const items = Array.from({ length: count }, (_, item) => item);
  const labelled = items.filter((item) => (labels.values[item] as number) >= 0);

  it('every kind of head', () => {
    for (const kind of ['linear', 'nsoftmax', 'cosface', 'arcface'] as const) {
      const bias = Float32Array.of(0.5, -0.25, 0, 1);
      const head = headOf(kind, rowsOf(rows), kind === 'linear' ? { bias } : {});
      const expected = mean(
        labelled.map((item) => {
          const label = labels.values[item] as number;
          const logits = rowsOf(rows).map((row, column) => {
            if (kind === 'linear') return dot(rowsOf(embedding)[item] as number[], row) + (bias[column] as number);
            const cosine = dot(f[item] as number[], normalised(row));
            const angle = Math.acos(cosine);
            const own = {
              nsoftmax: cosine,
              cosface: cosine - 0.3,
              arcface: angle + 0.5 < Math.PI ? Math.cos(angle + 0.5) : cosine - 0.5 * Math.sin(0.5),
            }[kind];
            return (column === label ? own : cosine) * (kind === 'nsoftmax' ? 20 : 30);
          });
          return Math.log(logits.reduce((sum, logit) => sum + Math.exp(logit), 0)) - (logits[label] as number);
        }),
      );
      expect(classification(head, embedding, labels)).toBeCloseTo(expected, 9);
    }
  });

  it('contrastive with the three hardest of each', () => {
    const objective = createObjective(
      settings({ method: 'contrastive', lambda: 0.5, contrastive: { temperature: 0.1, hardest: 3 } }),
      {
        head: headOf('nsoftmax', rowsOf(rows)),
        old: {
          space: { rule: 'equal', oldDimension: dimension, newDimension: dimension },
          head: null,
          statistics: null,
        },
      },
    );
    const losses = labelled.map((item) => {
      const others = labelled.filter((other) => labels.values[other] !== labels.values[item]);
      const hardest = (vectors: number[][]) =>
        others
          .map((other) => dot(f[item] as number[], vectors[other] as number[]) / 0.1)
          .sort((a, b) => b - a)
          .slice(0, 3);
      const positive = dot(f[item] as number[], g[item] as number[]) / 0.1;
      const all = [positive, ...hardest(g), ...hardest(f)];
      return Math.log(all.reduce((sum, value) => sum + Math.exp(value), 0)) - positive;
    });
    expect(plainTerms(objective, { embedding, fields: { labels, oldVectors } }).contrast).toBeCloseTo(
      0.5 * mean(losses),
      9,
    );
  });

  it('boundary and mixing on measured classes', async () => {
    const labelOf = Int32Array.from(labels.values);
    const source = vectorsInMemory('old', Float32Array.from(oldVectors.values), dimension);
    const statistics = await classStatistics(source, labelOf, classes);
    const own = (label: number) => labelled.filter((item) => labels.values[item] === label);
    const mu = Array.from({ length: classes }, (_, label) =>
      Array.from({ length: dimension }, (_, k) => mean(own(label).map((item) => (g[item] as number[])[k] as number))),
    );
    mu.flat().forEach((value, index) => {
      expect(statistics.means[index]).toBeCloseTo(value, 6);
    });
    const head = headOf('nsoftmax', rowsOf(rows));
    const old = {
      space: { rule: 'equal', oldDimension: dimension, newDimension: dimension } as const,
      head: null,
      statistics,
    };
    const boundary = createObjective(settings({ method: 'advbct-boundary' }), { head, old });
    const excess = labelled
      .map((item) => {
        const label = labels.values[item] as number;
        return away(f[item] as number[], mu[label] as number[]) - (statistics.radii[label] as number);
      })
      .filter((value) => value > 0);
    expect(excess.length).toBeGreaterThan(3);
    expect(plainTerms(boundary, { embedding, fields: { labels } }).boundary).toBeCloseTo(mean(excess), 6);

    const chance = list(...items.map((item) => ((item * 7) % 10) / 10));
    const mixed = items.map((item) => {
      const label = labels.values[item] as number;
      if (label < 0) return f[item] as number[];
      const distances = own(label)
        .map((other) => away(g[other] as number[], mu[label] as number[]))
        .sort((a, b) => a - b);
      const isCredible =
        away(g[item] as number[], mu[label] as number[]) <=
        (distances[Math.ceil(0.9 * distances.length) - 1] as number) + 1e-6;
      return isCredible && (chance.values[item] as number) < 0.3 ? (g[item] as number[]) : (f[item] as number[]);
    });
    const mixing = createObjective(settings({ method: 'mixbct' }), { head, old });
    expect(plainTerms(mixing, { embedding, fields: { labels, oldVectors, chance } }).classification).toBeCloseTo(
      classification(head, matrix(mixed), labels),
      6,
    );
  });
});

describe('classStatistics', () => {
  it('leaves outliers out of the radius, and the farthest tenth out of the credible ones', async () => {
    // Unit vectors on a circle: class 0 spreads over ten angles, symmetric but for one far away.
    const angles = [-0.04, -0.03, -0.02, -0.01, 0, 0.01, 0.02, 0.03, 0.04, 2];
    const values = Float32Array.from(angles.flatMap((angle) => [3 * Math.cos(angle), 3 * Math.sin(angle)]));
    const labelOf = Int32Array.from(angles, () => 0);
    const { means, radii, credibleRadii, counts } = await classStatistics(
      vectorsInMemory('old', values, 2),
      labelOf,
      2,
    );
    expect([...counts]).toEqual([10, 0]);
    const mu = [0, 1].map(
      (k) => angles.reduce((sum, angle) => sum + (k === 0 ? Math.cos(angle) : Math.sin(angle)), 0) / 10,
    );
    expect(means[0]).toBeCloseTo(mu[0] as number, 6);
    expect(means[1]).toBeCloseTo(mu[1] as number, 6);
    const distances = angles
      .map((angle) => Math.hypot(Math.cos(angle) - (mu[0] as number), Math.sin(angle) - (mu[1] as number)))
      .sort((a, b) => a - b);
    expect(radii[0]).toBeCloseTo(distances[8] as number, 6);
    expect(credibleRadii[0]).toBeCloseTo(((distances[8] as number) + (distances[9] as number)) / 2, 6);
    // A class without items bounds nothing.
    expect(radii[1]).toBeGreaterThan(1e20);
  });
});

describe('newHead', () => {
  it('starts from seed and name alone, and keeps its rows when it grows', () => {
    const block = { head: { kind: 'cosface' as const, margin: 0.2 } };
    const head = newHead(block, ['a', 'b'], 8, 3);
    expect(head).toMatchObject({
      kind: 'cosface',
      scale: 30,
      margin: 0.2,
      unitVectors: true,
      unitRows: true,
      bias: null,
    });
    expect(newHead(block, ['b', 'a'], 8, 3).rows.subarray(8)).toEqual(head.rows.subarray(0, 8));
    expect(newHead(block, ['a', 'b'], 8, 4).rows).not.toEqual(head.rows);
    // Mixed vectors are unit vectors for a linear head too.
    expect(newHead({ method: 'mixbct', head: { kind: 'linear' } }, ['a'], 8, 3).unitVectors).toBe(true);
    expect(newHead({ head: { kind: 'linear' } }, ['a'], 8, 3)).toMatchObject({ unitVectors: false, scale: 1 });
    expect(newHead({}, ['a'], 8, 3)).toMatchObject({ kind: 'nsoftmax', scale: 20, margin: 0 });
    const linear = { ...newHead({ head: { kind: 'linear' } }, ['a', 'b'], 8, 3), bias: Float32Array.of(1, 2) };
    const grown = growHead(linear, ['b', 'c'], 5);
    expect(grown.classNames).toEqual(['a', 'b', 'c']);
    expect(grown.rows.subarray(0, 16)).toEqual(linear.rows);
    expect(grown.rows.subarray(16)).toEqual(newHead({}, ['c'], 8, 5).rows);
    expect(grown.bias).toEqual(Float32Array.of(1, 2, 0));
    const parameters = Object.fromEntries(headParameters(grown, 'x', true).map(({ name, data }) => [name, data]));
    expect(trainedHead({ ...grown, rows: new Float32Array(24), bias: new Float32Array(3) }, 'x', parameters)).toEqual(
      grown,
    );
  });
});

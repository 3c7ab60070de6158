import type { Distance } from '../contract/report.ts';
import { GraphBuilder, type Value } from '../engine/graph.ts';
import type { ToleranceGrid } from './inequalityTolerances.ts';

/** What one tile of query-gallery pairs is reduced to. */
export interface TileGraph {
  distance: Distance;
  columns: number;
  /** Ascending or not, each >= 0. */
  epsilons: readonly number[];
  /** The tile holds same-class pairs: separate them from the others. Otherwise all pairs are negative. */
  bothSigns: boolean;
  /** Only the violations of negative pairs: no severity, no positive pairs; excludes all that follows. */
  countsOnly: boolean;
  /** The largest severity of each query as well. */
  maxima: boolean;
  /** The violations of each gallery item as well. */
  byItem: boolean;
  /**
   * Sums of negative pairs over classes as well: of queries (`classes` x gallery rows) or of gallery
   * items (queries x `classes`), by one product with a matrix of zeros and ones.
   */
  groups: 'none' | 'query' | 'gallery';
  /** As codes of every pair: the number of these tolerances that its severity exceeds; null: no codes. */
  tolerances: ToleranceGrid | null;
}

/** Element types of ONNX, as the attribute of Cast wants them. */
const FLOAT = 1;
const UINT16 = 4;
const DOUBLE = 11;

/**
 * Steepness of the step below. A power of two scales exactly, and even the smallest normal
 * difference of two floats near 1e-6 (2^-43) becomes far more than 1.
 */
const STEEP = 2 ** 100;

/**
 * Graph of one tile. With s = d_oo - d_no (metrics.md section 1: s > e violates a negative pair, -s > e a
 * positive one):
 *
 * inputs: `gallery` [n, columns]; cosine and dot: `shift` [q, columns] = new - old query; euclidean: `oldQuery` and
 * `newQuery` [q, columns]; with `bothSigns`: int32 `queryLabel` [q, 1], `galleryLabel` [1, n], and unless `countsOnly`
 * int64 `selfPairs` [m, 2] (row, column of pairs that do not count); with `groups`: `groups` [c, q] or [n, c].
 *
 * outputs: `negative` [q, 1 + epsilons (+ 1)]: summed severity, violations at each epsilon, and the
 * maximum (`countsOnly`: [q, epsilons], the violations alone); with `byItem` `negativeByItem` [1, n] (first epsilon);
 * `groupViolations` (first epsilon), `groupSeverity`; with `tolerances` `negativeCodes` [q, n]
 * (0 where the pair has the other sign); with `bothSigns` `positive`, `positiveByItem` and `positiveCodes` alike.
 */
export function buildTileGraph(tile: TileGraph): Uint8Array {
  const graph = new GraphBuilder('inequalities');
  const loss = distanceLoss(graph, tile.distance, tile.columns);
  const axis = graph.int64s([1]);

  const reduce = (sign: 'negative' | 'positive', severity: Value): { severity: Value; violations: Value } => {
    const steps = tile.epsilons.map((epsilon) => above(graph, severity, epsilon));
    const sums = [severity, ...steps].map((value) => graph.node('ReduceSum', [value, axis], { keepdims: 1 }));
    if (tile.maxima) sums.push(graph.node('ReduceMax', [severity, axis], { keepdims: 1 }));
    graph.output(sign, graph.node('Concat', sums, { axis: 1 }), 'float32', ['q', sums.length]);
    if (tile.byItem) {
      const byItem = graph.node('ReduceSum', [steps[0] as Value, graph.int64s([0])], { keepdims: 1 });
      graph.output(`${sign}ByItem`, byItem, 'float32', [1, 'n']);
    }
    if (tile.tolerances) graph.output(`${sign}Codes`, exceeded(graph, severity, tile.tolerances), 'uint16', ['q', 'n']);
    return { severity, violations: steps[0] as Value };
  };

  const sameClass = (): Value => {
    const equal = graph.node('Equal', [
      graph.input('queryLabel', 'int32', ['q', 1]),
      graph.input('galleryLabel', 'int32', [1, 'n']),
    ]);
    return graph.node('Cast', [equal], { to: FLOAT });
  };

  if (tile.countsOnly) {
    // A step needs no clamp at 0 before it: it comes for free with the product.
    const negative = tile.bothSigns ? graph.node('Sub', [loss, graph.node('Mul', [loss, sameClass()])]) : loss;
    const counts = tile.epsilons.map((epsilon) =>
      graph.node('ReduceSum', [above(graph, negative, epsilon), axis], { keepdims: 1 }),
    );
    graph.output('negative', graph.node('Concat', counts, { axis: 1 }), 'float32', ['q', counts.length]);
    return graph.build();
  }

  let negativeLoss = loss;
  if (tile.bothSigns) {
    const selfPairs = graph.input('selfPairs', 'int64', ['m', 2]);
    const zeros = graph.node('Expand', [
      graph.scalar(0),
      graph.node('Slice', [graph.node('Shape', [selfPairs]), graph.int64s([0]), graph.int64s([1])]),
    ]);
    const counted = graph.node('ScatterND', [loss, selfPairs, zeros]);
    const positiveLoss = graph.node('Mul', [counted, sameClass()]);
    // Exact: either the whole value or nothing is taken away.
    negativeLoss = graph.node('Sub', [counted, positiveLoss]);
    reduce('positive', graph.node('Relu', [graph.node('Neg', [positiveLoss])]));
  }
  const negative = reduce('negative', graph.node('Relu', [negativeLoss]));
  if (tile.groups !== 'none') {
    const byQuery = tile.groups === 'query';
    const groups = graph.input('groups', 'float32', byQuery ? ['c', 'q'] : ['n', 'c']);
    const total = (value: Value) => graph.node('MatMul', byQuery ? [groups, value] : [value, groups]);
    const shape = byQuery ? ['c', 'n'] : ['q', 'c'];
    graph.output('groupViolations', total(negative.violations), 'float32', shape);
    graph.output('groupSeverity', total(negative.severity), 'float32', shape);
  }
  return graph.build();
}

/** Graph that gives d_oo - d_no of every pair of a tile as `loss` [q, n]; inputs as in `buildTileGraph`. */
export function buildLossGraph(distance: Distance, columns: number): Uint8Array {
  const graph = new GraphBuilder('distance loss');
  graph.output('loss', distanceLoss(graph, distance, columns), 'float32', ['q', 'n']);
  return graph.build();
}

/** d_oo - d_no, [q, n] (metrics.md section 1, Cost). */
function distanceLoss(graph: GraphBuilder, distance: Distance, columns: number): Value {
  const gallery = graph.input('gallery', 'float32', ['n', columns]);
  if (distance !== 'euclidean') {
    return graph.node('Gemm', [graph.input('shift', 'float32', ['q', columns]), gallery], { transB: 1 });
  }
  // In double: squared distances by products cancel, and a square root near 0 magnifies what is left.
  const double = (value: Value) => graph.node('Cast', [value], { to: DOUBLE });
  const o = double(graph.input('oldQuery', 'float32', ['q', columns]));
  const n = double(graph.input('newQuery', 'float32', ['q', columns]));
  const g = double(gallery);
  const gTransposed = graph.node('Transpose', [g], { perm: [1, 0] });
  const axis = graph.int64s([1]);
  const rowSums = (value: Value) => graph.node('ReduceSum', [value, axis], { keepdims: 1 });
  const shift = graph.node('Sub', [n, o]);
  const two = double(graph.scalar(2));
  const zero = double(graph.scalar(0));
  const squared = (a: Value) => rowSums(graph.node('Mul', [a, a]));
  const timesGallery = (a: Value) => graph.node('MatMul', [graph.node('Mul', [a, two]), gTransposed]);

  const gallerySquared = graph.node('Transpose', [squared(g)], { perm: [1, 0] });
  const oldSquared = graph.node('Max', [
    graph.node('Sub', [graph.node('Add', [squared(o), gallerySquared]), timesGallery(o)]),
    zero,
  ]);
  const change = graph.node('Sub', [
    rowSums(graph.node('Mul', [shift, graph.node('Add', [n, o])])),
    timesGallery(shift),
  ]);
  const newSquared = graph.node('Max', [graph.node('Add', [oldSquared, change]), zero]);
  const sum = graph.node('Add', [graph.node('Sqrt', [oldSquared]), graph.node('Sqrt', [newSquared])]);
  const loss = graph.node('Neg', [graph.node('Div', [change, sum])]);
  // Both distances 0: 0 / 0.
  const defined = graph.node('Where', [graph.node('Greater', [sum, zero]), loss, zero]);
  return graph.node('Cast', [defined], { to: FLOAT });
}

/**
 * 1 where value > epsilon, else 0, as floats: clamp(2^100 (value - epsilon), 0, 1). One fast pass;
 * Greater and Cast are two slow ones.
 */
function above(graph: GraphBuilder, value: Value, epsilon: number): Value {
  return graph.node('HardSigmoid', [value], { alpha: { float: STEEP }, beta: { float: -STEEP * epsilon } });
}

/** How many of 0, step, 2 step, ... the value (>= 0) exceeds: min(ceil(value / step), count). */
function exceeded(graph: GraphBuilder, value: Value, { step, count }: ToleranceGrid): Value {
  // The clamp first: HardSigmoid is one pass.
  const share = graph.node('HardSigmoid', [value], { alpha: { float: 1 / (step * count) }, beta: { float: 0 } });
  const code = graph.node('Ceil', [graph.node('Mul', [share, graph.scalar(count)])]);
  return graph.node('Cast', [code], { to: UINT16 });
}

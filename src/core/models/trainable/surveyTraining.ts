import { findUnsupported, type UnsupportedNode } from '../../engine/differentiation/unsupported.ts';
import { GraphBuilder, type Value } from '../../engine/graph.ts';
import { fillGraph } from './fillGraph.ts';
import { openStart } from './startModel.ts';
import { surveyWeights } from './surveyWeights.ts';
import type { FrozenTensor } from './trainableGraph.ts';

/** What of a model file can be trained. */
export interface TrainingSurvey {
  readonly weights: number;
  /** Numbers in them. */
  readonly numbers: number;
  readonly frozen: readonly FrozenTensor[];
  /** Nodes that no gradient flows through, and what they keep from being trained. */
  readonly unsupported: readonly UnsupportedNode[];
  readonly notes: readonly string[];
}

/**
 * Finds out what could be trained, without running anything: forms of operators that only sizes decide are not seen.
 * @param file absolute path of an ONNX model
 * @throws BackcompatError as `openTrainable`
 */
export async function surveyTraining(file: string, output: string): Promise<TrainingSurvey> {
  const start = await openStart(file);
  const survey = await surveyWeights(start, output);
  const { weights, frozen, notes } = survey;
  const graph = new GraphBuilder('survey');
  const embedding = fillGraph(graph, {
    ...survey,
    start,
    chosen: new Set(weights),
    leftOut: [],
    facts: new Map(),
    output,
    isSurvey: true,
  });
  const unsupported = findUnsupported(
    graph,
    embedding,
    weights.map(({ name }) => name as Value),
  );
  const blocked = new Set<string>(unsupported.flatMap((node) => node.blocked));
  const free = weights.filter(({ name }) => !blocked.has(name));
  return {
    weights: free.length,
    numbers: free.reduce((sum, { data }) => sum + data.length, 0),
    frozen: [
      ...frozen,
      ...weights
        .filter(({ name }) => blocked.has(name))
        .map(({ name, shape }) => ({ name, shape, reason: 'no gradient flows to it' })),
    ],
    unsupported,
    notes,
  };
}

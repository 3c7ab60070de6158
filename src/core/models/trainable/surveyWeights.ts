import { buffersOf } from './buffers.ts';
import { checkTrainable } from './checkTrainable.ts';
import { type LoadedTensors, loadTensors } from './loadedTensors.ts';
import type { StartModel } from './startModel.ts';
import { type Subgraph, subgraphOf } from './subgraph.ts';
import { type FoundWeights, untie } from './weights.ts';
import { findWeights } from './weightUses.ts';

export interface WeightSurvey extends FoundWeights {
  readonly subgraph: Subgraph;
  readonly loaded: LoadedTensors;
}

/** Finds the weights behind an output; nothing is run. @throws BackcompatError `bad-file`, `bad-model` (see `openTrainable`) */
export async function surveyWeights(start: StartModel, output: string): Promise<WeightSurvey> {
  const subgraph = subgraphOf(start.file, start.model, output);
  checkTrainable(start, subgraph);
  const loaded = await loadTensors(start, subgraph);
  const used = findWeights(subgraph, buffersOf(start.model), loaded.floatsOf);
  return { subgraph, loaded, ...untie(used, loaded) };
}

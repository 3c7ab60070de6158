import { sampleRows } from '../../audit/sampling.ts';
import { extendMemory, fisherDiagonal } from '../../continual/fisher.ts';
import { selectItems } from '../../data/itemSet.ts';
import { createBatchSource } from '../../training/data/createBatchSource.ts';
import type { Head } from '../../training/heads/head.ts';
import { classificationTerm } from '../../training/objectives/classification.ts';
import { composeObjective } from '../../training/objectives/term.ts';
import type { WeightMemory } from '../../training/objectives/weightPenalty.ts';
import type { TrainingBatch } from '../../training/trainer.ts';
import { grownMemory, startFrom } from './carryWeights.ts';
import type { SessionItems } from './openSessions.ts';
import type { Tensors } from './sessionFiles.ts';
import { rowsOfHead } from './sessionStart.ts';
import { createSessionTrainer, dimensionOf, type SessionTask } from './sessionTask.ts';

/** Items whose gradients are taken. */
const MOST_ITEMS = 1000;

/**
 * The Fisher information of the session's items, on top of that of the sessions before.
 * @param head as trained
 * @param weights of the model
 */
export async function sessionFisher(
  task: SessionTask,
  head: Head,
  weights: Tensors,
  before: WeightMemory | null,
): Promise<Tensors> {
  const { run, session, hooks } = task;
  const { seed } = run.settings;
  const { own } = run.sessions[session] as SessionItems;
  const labels = own.map((item) => run.labelOf[item] as number);
  const chosen = sampleRows(labels, MOST_ITEMS, seed).map((row) => own[row] as number);
  const items = selectItems(run.items, chosen, `session ${session + 1} of ${run.items.name}`);
  const rowOf = rowsOfHead(head, run);
  const objective = composeObjective('fisher', [classificationTerm(head)]);
  const { trainer, ofObjective } = await createSessionTrainer(task, head, objective);
  const source = createBatchSource(items, {
    inputs: run.start.inputsOf(items, null),
    fields: { labels: chosen.map((item) => rowOf[run.labelOf[item] as number] as number) },
    batchSize: 1,
    seed,
    itemsPerClass: null,
  });
  async function* breathing(): AsyncGenerator<TrainingBatch> {
    for await (const batch of source.batches(1, 0, hooks.signal)) {
      await hooks.progress.breathe();
      yield batch;
    }
  }
  try {
    await startFrom(trainer, weights, ofObjective);
    const fisher = await fisherDiagonal(trainer, breathing(), Object.keys(weights), hooks.signal);
    const dimension = dimensionOf(task);
    const grown = before && grownMemory(before, dimension, dimension - (task.planned.options.growth ?? 0));
    const memory = extendMemory(grown ?? {}, weights, fisher);
    return Object.fromEntries(Object.entries(memory).map(([name, { shape, fisher: data }]) => [name, { shape, data }]));
  } finally {
    await source.close();
    await trainer.close();
  }
}

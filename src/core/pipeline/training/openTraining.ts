import { createHash } from 'node:crypto';
import { quotedList } from '../../config/closest.ts';
import { configError, type LoadedConfig, resolveProtocol } from '../../config/loadConfig.ts';
import { BackcompatError } from '../../contract/errors.ts';
import { hashContent } from '../../data/contentHash.ts';
import { type ItemSet, selectItems } from '../../data/itemSet.ts';
import type { VectorSource } from '../../data/vectorSource.ts';
import { type Checkpoint, embed, openCheckpoint } from '../../models/checkpoint.ts';
import { createEvaluator } from '../../training/createEvaluator.ts';
import { classIndices } from '../../training/data/classIndices.ts';
import type { Evaluator } from '../../training/evaluator.ts';
import { hashItems } from '../loadPair.ts';
import { type NamedCheckpoint, namedCheckpoint } from '../namedCheckpoint.ts';
import { itemLoader, loadItems } from '../pairDefinition.ts';
import { blockInputs, TRAINING_VERSION, type TrainingInputs } from './trainingInputs.ts';
import type { TrainingPlan } from './trainingPlan.ts';
import { type OpenStart, openStart } from './trainingStart.ts';
import type { TrainHooks, TrainRequest } from './trainRequest.ts';

/** The old model of a training. */
export interface OldModel {
  named: NamedCheckpoint;
  checkpoint: Checkpoint;
  /** Its vectors of any items. */
  vectorsOf(items: ItemSet): Promise<VectorSource>;
}

/** Everything open that the parts of a run train and measure with. Close it when done. */
export interface OpenTraining {
  items: ItemSet;
  /** The new head's, in the order of its rows. Empty for items without labels. */
  classNames: readonly string[];
  /** Row of the new head for each item, -1 without labels. */
  labels: Int32Array;
  old: OldModel | null;
  start: OpenStart;
  evaluator: Evaluator | null;
  criterionMetric: string;
  /** M(newNew) of a paragon that the block names; null where there is none, or the run trains it. */
  namedParagon: number | null;
  inputs: TrainingInputs;
  close(): Promise<void>;
}

/** Reads, opens and embeds what a training block names. @throws BackcompatError for anything wrong with it */
export async function openTraining(
  loaded: LoadedConfig,
  plan: TrainingPlan,
  request: TrainRequest,
  hooks: TrainHooks,
): Promise<OpenTraining> {
  const opened: { close(): Promise<void> }[] = [];
  const close = async () => {
    for (const each of opened.splice(0).reverse()) await each.close();
  };
  try {
    return { ...(await open(loaded, plan, request, hooks, opened)), close };
  } catch (error) {
    await close();
    throw error;
  }
}

async function open(
  loaded: LoadedConfig,
  plan: TrainingPlan,
  { threads, cacheFolder }: TrainRequest,
  { progress, signal }: TrainHooks,
  opened: { close(): Promise<void> }[],
): Promise<Omit<OpenTraining, 'close'>> {
  const { block } = plan;
  progress.phase('Reading the datasets');
  const load = itemLoader(loaded);
  const items = ofClasses(loaded, plan, await load(block.data));
  const heldOut = block.evaluate
    ? await loadItems(
        loaded,
        { gallery: block.evaluate.gallery, queries: block.evaluate.queries ?? block.evaluate.gallery },
        load,
      )
    : null;

  const openModel = async (role: string, name: string): Promise<OldModel> => {
    progress.phase(`Loading ${role} ${name}`);
    const named = await namedCheckpoint(loaded, name);
    const checkpoint = await openCheckpoint(name, named.definition, named.folder, {
      threads,
      cacheFolder,
      progress,
      signal,
    });
    opened.push(checkpoint);
    for (const note of checkpoint.notes) progress.log('info', `${name}: ${note}`);
    return {
      named,
      checkpoint,
      async vectorsOf(wanted) {
        progress.phase(`Embedding ${wanted.name} with ${role} ${name}`);
        const vectors = await embed(checkpoint, wanted, { cacheFolder, progress, signal });
        opened.push(vectors);
        return vectors;
      },
    };
  };
  const old = block.old === undefined ? null : await openModel('the old model', block.old);
  const oldModel = old !== null && old.checkpoint.kind !== 'table' ? old.checkpoint : null;
  const start = await openStart(loaded, plan, items, oldModel, threads);
  for (const note of start.notes) progress.log('info', `${block.from}: ${note}`);

  const protocol = resolveProtocol(loaded.config.audit, { dimensionRule: block.dimensionRule ?? null, adapter: null });
  const oldHeldOut = async () => {
    if (old === null || heldOut === null) return null;
    const query = await old.vectorsOf(heldOut.queries);
    const isOneSet = heldOut.gallery === heldOut.queries;
    return { query, gallery: isOneSet ? query : await old.vectorsOf(heldOut.gallery) };
  };
  const evaluator =
    heldOut === null ? null : await createEvaluator({ ...heldOut, old: await oldHeldOut(), protocol, threads });
  if (evaluator?.note) progress.log('info', evaluator.note);

  let namedParagon: number | null = null;
  if (typeof block.paragon === 'string' && evaluator !== null) {
    const paragon = await openModel('the paragon', block.paragon);
    const { newNew } = await evaluator.evaluate(async (wanted) => allRows(await paragon.vectorsOf(wanted)), {
      progress,
      signal,
    });
    namedParagon = newNew?.[protocol.criterionMetric] ?? null;
  }

  const isLabelled = items.labelled !== false;
  const present = new Set(items.labelOf);
  const classNames = isLabelled ? items.classNames.filter((_, label) => present.has(label)) : [];
  const content = createHash('sha256').update(hashItems(items));
  await hashContent(content, items, { signal, breathe: () => progress.breathe() });
  return {
    items,
    classNames,
    labels: isLabelled
      ? classIndices(items, classNames, 'refuse', 'the new head')
      : new Int32Array(items.count).fill(-1),
    old,
    start,
    evaluator,
    criterionMetric: protocol.criterionMetric,
    namedParagon,
    inputs: {
      ...blockInputs(plan.name, block),
      'the seed': String(plan.seed),
      'the training items': content.digest('hex'),
      'the start': start.identity,
      ...(heldOut === null ? {} : { 'the held-out items': hashItems(heldOut.queries, heldOut.gallery) }),
      ...(old === null ? {} : { 'the old model': await old.checkpoint.fingerprint() }),
      'the version of training': String(TRAINING_VERSION),
    },
  };
}

/** The items that the block trains on. @throws BackcompatError `bad-config` for a class that no item has */
function ofClasses(loaded: LoadedConfig, { name, block }: TrainingPlan, items: ItemSet): ItemSet {
  const { classes } = block;
  if (classes === undefined) return items;
  const known = new Set(Array.from(items.labelOf, (label) => items.classNames[label] as string));
  const unknown = classes.filter((each) => !known.has(each));
  if (unknown.length > 0) {
    throw configError(
      loaded,
      ['training', name, 'classes'],
      `${items.name} has no items of ${quotedList(unknown, 6)}.`,
      `Its classes are ${quotedList(known, 12)}.`,
    );
  }
  const wanted = items.classNames.map((each) => classes.includes(each));
  const rows = Int32Array.from(items.labelOf.keys()).filter((item) => wanted[items.labelOf[item] as number]);
  return selectItems(items, rows, `${items.name} (${classes.length} classes)`);
}

async function allRows(vectors: VectorSource): Promise<Float32Array> {
  const values = new Float32Array(vectors.count * vectors.dimension);
  await vectors.read(0, vectors.count, values);
  return values;
}

/** For what cannot be without an old model. */
export function needed(old: OldModel | null, name: string): OldModel {
  if (old !== null) return old;
  throw new BackcompatError('bad-config', `Training block ${JSON.stringify(name)} names no old model.`, {
    remedy: 'Add "old", or set "method": "independent".',
  });
}

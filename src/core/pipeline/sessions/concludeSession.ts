import path from 'node:path';
import type { GallerySession } from '../../continual/classCentres.ts';
import { evaluateSession } from '../../continual/evaluateSession.ts';
import { chooseExemplars } from '../../continual/replay.ts';
import { SESSIONS_FILES, type SessionFigures, type SessionResult, sessionFolder } from '../../contract/sessions.ts';
import { selectItems } from '../../data/itemSet.ts';
import { writeFileAtomic } from '../../runs/atomicFile.ts';
import { trainedHead } from '../../training/heads/head.ts';
import { writeHead } from '../../training/heads/headFile.ts';
import type { LoopResult } from '../../training/loop/trainModel.ts';
import { NEW_HEAD } from '../../training/objectives/classification.ts';
import type { Trainer } from '../../training/trainer.ts';
import { identityOf } from '../training/trainingInputs.ts';
import { parameterCounts } from '../training/trainPart.ts';
import { modelWeights } from './carryWeights.ts';
import { embedItems } from './embedItems.ts';
import { writeJson, writeTensors, writeVectors } from './sessionFiles.ts';
import { sessionFisher } from './sessionFisher.ts';
import { type Inheritance, readMemory, storedVectors } from './sessionStart.ts';
import { storageOf } from './sessionStorage.ts';
import { dimensionOf, type SessionTask, type SessionTrainer, withoutPhases } from './sessionTask.ts';

/**
 * What a session leaves once its model is trained: model, head, gallery, queries, what is kept for replay, Fisher information, and
 * its figures. Each file is whole or not there; the result comes last.
 */
export async function concludeSession(
  task: SessionTask,
  made: SessionTrainer,
  inherited: Inheritance | null,
  trained: LoopResult,
): Promise<SessionResult> {
  const { run, planned, session, isJoint, request, hooks } = task;
  const { trainer, head, ofObjective } = made;
  const started = performance.now();
  const folder = path.join(request.directory, sessionFolder(planned.folder, session + 1));
  const at = (name: string) => path.join(folder, name);
  const identity = identityOf(run.inputs);
  const dimension = dimensionOf(task);
  hooks.progress.phase(`Embedding the gallery of ${planned.label}, session ${session + 1}`, ...placeOf(task));

  const ownHead = trainedHead(head, NEW_HEAD, await trainer.objectiveParameters());
  const weights = await modelWeights(trainer, ofObjective);
  await writeTensors(at(SESSIONS_FILES.weights), identity, weights);
  await writeHead(at(SESSIONS_FILES.head), ownHead);
  const model = await trainer.save(folder);
  await writeJson(at(SESSIONS_FILES.checkpoint), {
    model: path.basename(model),
    ...run.start.definition,
    head: { weights: SESSIONS_FILES.head },
  });

  const embedded = await embedGalleries(task, trainer, inherited);
  const { fresh, secondsPerItem } = embedded;
  const galleries = isJoint ? fresh : [...(inherited?.galleries ?? []), ...fresh];
  const vectors = concatenated(fresh);
  await writeVectors(at(SESSIONS_FILES.gallery), vectors, dimension);
  const galleryItems = fresh.flatMap(({ items }) => Array.from(items, (item) => run.items.ids[item]));
  await writeFileAtomic(at(SESSIONS_FILES.galleryItems), `${JSON.stringify(galleryItems)}\n`);
  const queries = await embedItems(task, trainer, run.queries);
  await writeVectors(at(SESSIONS_FILES.queries), queries, dimension);

  const exemplars = keptItems(task, fresh, inherited, embedded.earlier);
  await writeFileAtomic(
    at(SESSIONS_FILES.exemplars),
    `${JSON.stringify(Array.from(exemplars, (item) => run.items.ids[item]))}\n`,
  );
  if (planned.options.ewc !== null) {
    const before = inherited && (await readMemory(inherited));
    const fisher = await sessionFisher(task, ownHead, weights, before);
    await writeTensors(at(SESSIONS_FILES.memory), identity, fisher);
  }

  hooks.progress.phase(`Measuring ${planned.label}, session ${session + 1}`, ...placeOf(task));
  const figures: SessionFigures = await evaluateSession(
    { labelOf: run.queryLabelOf, vectors: queries, dimension },
    galleries,
    run.classNames.length,
    request.threads,
    withoutPhases(hooks),
  );
  const earlier = isJoint ? 0 : figures.gallery - vectors.length / dimension;
  const result: SessionResult = {
    session: session + 1,
    figures,
    seconds: trained.figures.reduce((sum, epoch) => sum + epoch.seconds, 0) + (performance.now() - started) / 1000,
    steps: trained.figures.at(-1)?.step ?? 0,
    parameters: parametersOf(made),
    dimension,
    storage: storageOf(task, galleries, exemplars),
    reembedding: { items: earlier, seconds: earlier * secondsPerItem },
  };
  await writeJson(at(SESSIONS_FILES.result), result);
  return result;
}

/** Position of a session among all of the run, for progress. */
export function placeOf({ run, planned, session }: Pick<SessionTask, 'run' | 'planned' | 'session'>): [number, number] {
  const { methods } = run.settings;
  return [methods.indexOf(planned) * run.sessions.length + session, methods.length * run.sessions.length];
}

interface EmbeddedGalleries {
  /** Galleries that this model embeds: its own, or all of them in joint training. */
  fresh: GallerySession[];
  /** Earlier exemplars by this model, in their order. */
  earlier: Float32Array;
  secondsPerItem: number;
}

async function embedGalleries(
  task: SessionTask,
  trainer: Trainer,
  inherited: Inheritance | null,
): Promise<EmbeddedGalleries> {
  const { run, planned, session, isJoint } = task;
  const { dimension } = trainer;
  const parts = run.sessions.slice(isJoint ? 0 : session, session + 1).map(({ own }) => own);
  const exemplars = planned.options.replay === 'images' && inherited ? inherited.exemplars : new Int32Array(0);
  const all = Int32Array.from([...parts, exemplars].flatMap((part) => [...part]));
  const started = performance.now();
  const vectors = await embedItems(task, trainer, selectItems(run.items, all, 'the gallery'));
  const secondsPerItem = (performance.now() - started) / 1000 / all.length;
  let end = 0;
  const next = (count: number) => {
    const start = end;
    end += count * dimension;
    return vectors.slice(start, end);
  };
  const fresh = parts.map((items) => ({
    items,
    labelOf: items.map((item) => run.labelOf[item] as number),
    vectors: next(items.length),
    dimension,
  }));
  return { fresh, earlier: next(exemplars.length), secondsPerItem };
}

function concatenated(galleries: readonly GallerySession[]): Float32Array {
  const all = new Float32Array(galleries.reduce((sum, { vectors }) => sum + vectors.length, 0));
  let at = 0;
  for (const { vectors } of galleries) {
    all.set(vectors, at);
    at += vectors.length;
  }
  return all;
}

/**
 * What is kept for replay, class by class in the order of the run's labels: chosen by herding among the session's items and earlier
 * exemplars, with vectors of the present model, or (feature replay) the stored ones.
 */
function keptItems(
  { run, planned }: SessionTask,
  fresh: readonly GallerySession[],
  inherited: Inheritance | null,
  earlier: Float32Array,
): Int32Array {
  const { replay, buffer } = planned.options;
  if (replay === 'none') return new Int32Array(0);
  const [gallery] = fresh as [GallerySession];
  const { dimension } = gallery;
  const exemplars = inherited?.exemplars ?? new Int32Array(0);
  const theirs = replay === 'images' ? earlier : storedVectors(inherited?.galleries ?? [], exemplars).vectors;
  const byLabel = new Map<number, { items: number[]; rows: Float32Array[] }>();
  const add = (items: Int32Array, vectors: Float32Array) => {
    items.forEach((item, row) => {
      const label = run.labelOf[item] as number;
      const entry = byLabel.get(label) ?? { items: [], rows: [] };
      entry.items.push(item);
      entry.rows.push(vectors.subarray(row * dimension, (row + 1) * dimension));
      byLabel.set(label, entry);
    });
  };
  add(gallery.items, gallery.vectors);
  add(exemplars, theirs);
  const candidates = [...byLabel]
    .sort(([a], [b]) => a - b)
    .map(([label, { items, rows }]) => {
      const vectors = new Float32Array(rows.length * dimension);
      for (const [place, row] of rows.entries()) vectors.set(row, place * dimension);
      return { label, items: Int32Array.from(items), vectors };
    });
  return Int32Array.from(chooseExemplars(candidates, dimension, buffer).flatMap(({ items }) => [...items]));
}

/** Of the model, trained or not, without its head. */
function parametersOf({ trainer, head }: SessionTrainer): number {
  const { trained, frozen } = parameterCounts(trainer);
  return trained + frozen - head.rows.length - (head.bias?.length ?? 0);
}

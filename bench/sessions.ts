// Continual sessions on the sample's digits: recall on the mixed gallery after each of five sessions of two classes, by method.
//   node bench/run.mjs sessions [seeds] [epochs] [disjoint|blurry|general, default all] [methods, default all]
// A trial of losses, herding and figures; sessions as runs of the product are still to come.
import { type GallerySession, storedCentres } from '../src/core/continual/classCentres.ts';
import { evaluateSession } from '../src/core/continual/evaluateSession.ts';
import { type PlanSettings, planSessions } from '../src/core/continual/plan.ts';
import { membersOf } from '../src/core/continual/planFile.ts';
import { chooseExemplars } from '../src/core/continual/replay.ts';
import { summariseSessions } from '../src/core/continual/summarise.ts';
import type { SessionFigures } from '../src/core/contract/sessions.ts';
import { type ItemSet, selectItems } from '../src/core/data/itemSet.ts';
import { loadDataset, selectPart } from '../src/core/data/loadDataset.ts';
import { type VectorSource, vectorsInMemory } from '../src/core/data/vectorSource.ts';
import type { BatchInputs, BatchSource, ItemFields } from '../src/core/training/data/batchSource.ts';
import { createBatchSource } from '../src/core/training/data/createBatchSource.ts';
import { growHead, type Head, headForm, initialHead, trainedHead } from '../src/core/training/heads/head.ts';
import { classificationTerm, NEW_HEAD } from '../src/core/training/objectives/classification.ts';
import { type ClassMeans, dataCoherenceTerm, modelCoherenceTerm } from '../src/core/training/objectives/coherence.ts';
import { distillationTerm, influenceTerm } from '../src/core/training/objectives/influence.ts';
import type { OldSpace } from '../src/core/training/objectives/oldSpace.ts';
import { composeObjective, type ObjectiveTerm } from '../src/core/training/objectives/term.ts';
import { createOnnxTrainer } from '../src/core/training/onnxTrainer.ts';
import type { Trainer, TrainerState } from '../src/core/training/trainer.ts';

const DIMENSION = 32;
const SESSIONS = 5;
const BUFFER = 200;
const BATCH = 64;
const RATE = 0.003;
const hooks = { progress: { phase() {}, update() {}, log() {}, async breathe() {} } };
const space: OldSpace = { rule: 'equal', oldDimension: DIMENSION, newDimension: DIMENSION };
const preprocessing = {
  height: 28,
  width: 28,
  channels: 1 as const,
  mean: [0.5],
  std: [0.5],
  resize: 'crop' as const,
  layout: 'nchw' as const,
};
const methods = [
  'fine-tuning',
  'lwf',
  'bct',
  'cvs without L_m',
  'cvs without L_d',
  'cvs',
  'cvs, code',
  'joint',
] as const;
type Method = (typeof methods)[number];

const [seeds = '1', epochs = '5', only, chosen] = process.argv.slice(2);
const plans = {
  disjoint: (seed: number): PlanSettings => ({ setup: 'disjoint', sessions: SESSIONS, seed }),
  blurry: (seed: number): PlanSettings => ({ setup: 'blurry', percent: 30, sessions: SESSIONS, seed }),
  general: (seed: number): PlanSettings => ({ setup: 'general', percent: 30, heldBack: 0.5, sessions: SESSIONS, seed }),
};

function inputsOf({ images }: ItemSet): BatchInputs {
  if (images === null) throw new Error('The sample has images.');
  return { kind: 'images', input: 'images', images, preprocessing, augmentation: null };
}
const sourceOf = (items: ItemSet, fields: ItemFields, seed: number): BatchSource =>
  createBatchSource(items, { inputs: inputsOf(items), fields, batchSize: BATCH, seed, itemsPerClass: null });

async function embed(trainer: Trainer, items: ItemSet): Promise<Float32Array> {
  const source = sourceOf(items, {}, 0);
  const vectors = new Float32Array(items.count * DIMENSION);
  let at = 0;
  for await (const batch of source.inOrder()) {
    for (const value of await trainer.embed(batch)) vectors[at++] = value;
  }
  await source.close();
  for (let start = 0; start < vectors.length; start += DIMENSION) {
    const row = vectors.subarray(start, start + DIMENSION);
    const length = Math.hypot(...row) || 1;
    row.set(row.map((value) => value / length));
  }
  return vectors;
}

interface Before {
  trainer: Trainer;
  state: TrainerState;
  head: Head;
  galleries: GallerySession[];
  exemplars: Int32Array;
}

function termsOf(method: Method, head: Head, before: Before | null, items: ItemSet): ObjectiveTerm[] {
  const terms = [classificationTerm(head)];
  if (before === null || method === 'fine-tuning' || method === 'joint') return terms;
  if (method === 'lwf') return [...terms, distillationTerm(before.head, space, 1, 2)];
  if (method === 'bct') return [...terms, influenceTerm(before.head, space, 1)];
  const form = method === 'cvs, code' ? 'code' : 'paper';
  const means = centresOf(head, before.galleries, items, form === 'paper' ? 'sessions' : 'items');
  if (method !== 'cvs without L_m') terms.push(modelCoherenceTerm(space, 10));
  if (method !== 'cvs without L_d') terms.push(dataCoherenceTerm(space, means, 1, form));
  return terms;
}

async function run(
  method: Method,
  items: ItemSet,
  queries: ItemSet,
  settings: PlanSettings,
): Promise<SessionFigures[]> {
  const { seed } = settings;
  const members = membersOf(planSessions(items, settings), items);
  const classes = items.classNames.length;
  const figures: SessionFigures[] = [];
  let before: Before | null = null;
  for (const [session, own] of members.entries()) {
    const isJoint = method === 'joint';
    const hasReplay = method !== 'fine-tuning' && method !== 'lwf' && !isJoint;
    const trained: Int32Array = isJoint
      ? Int32Array.from(members.slice(0, session + 1).flatMap((part) => [...part]))
      : Int32Array.from([...own, ...(hasReplay && before ? (before as Before).exemplars : [])]);
    const set = selectItems(items, trained, 'session');
    const present = [...new Set(set.labelOf)].map((label) => items.classNames[label] as string);
    const last: Before | null = isJoint ? null : before;
    const head: Head = last
      ? growHead(last.head, present, seed)
      : initialHead(headForm('nsoftmax'), present, DIMENSION, seed);
    const terms = termsOf(method, head, last, items);
    const trainer: Trainer = await createOnnxTrainer({
      start: { kind: 'builtin', name: 'convnet', dimension: DIMENSION, channels: 1, height: 28, width: 28, seed },
      trainable: 'all',
      objective: composeObjective(method, terms),
      optimizer: { name: 'adamw', weightDecay: 1e-4, beta1: 0.9, beta2: 0.999, epsilon: 1e-8 },
      clipNorm: null,
      threads: null,
      lowMemory: false,
    });
    let oldVectors: VectorSource | undefined;
    if (last) {
      const fresh = await trainer.state();
      // Weights of the model go on; the objective brings its own, and the optimiser begins anew.
      const own = new Set(terms.flatMap(({ parameters }) => parameters.map(({ name }) => name)));
      const names = new Set(trainer.parameters.map(({ name }) => name).filter((name) => !own.has(name)));
      const tensors = Object.entries(fresh.tensors).map(([name, value]) => [
        name,
        names.has(name) ? (last.state.tensors[name] ?? value) : value,
      ]);
      await trainer.restore({ step: fresh.step, tensors: Object.fromEntries(tensors) });
      oldVectors = vectorsInMemory('old', await embed(last.trainer, set), DIMENSION);
    }
    const rowsIn = ({ classNames }: Pick<Head, 'classNames'>) =>
      set.labelOf.map((label) => classNames.indexOf(items.classNames[label] as string));
    const oldLabels = last ? rowsIn(last.head) : undefined;
    const source = sourceOf(
      set,
      { labels: rowsIn(head), ...(oldLabels ? { oldLabels } : {}), ...(oldVectors ? { oldVectors } : {}) },
      seed + session,
    );
    const rate = last ? RATE / 3 : RATE;
    for (let epoch = 1; epoch <= Number(epochs); epoch++) {
      for await (const batch of source.batches(epoch, 0)) {
        const { notFinite } = await trainer.step(batch, rate);
        if (notFinite !== null) throw new Error(`${notFinite} is not finite.`);
      }
    }
    await source.close();
    const galleryOf = async (indices: Int32Array): Promise<GallerySession> => {
      const part = selectItems(items, indices, 'gallery');
      return { items: indices, labelOf: part.labelOf, vectors: await embed(trainer, part), dimension: DIMENSION };
    };
    const galleries: GallerySession[] = isJoint ? [] : [...((before as Before | null)?.galleries ?? [])];
    for (const part of isJoint ? members.slice(0, session + 1) : [own]) galleries.push(await galleryOf(part));
    const query = { labelOf: queries.labelOf, vectors: await embed(trainer, queries), dimension: DIMENSION };
    figures.push(await evaluateSession(query, galleries, classes, null, hooks));
    const kept = await exemplarsOf(trainer, items, own, (before as Before | null)?.exemplars ?? new Int32Array(0));
    await (before as Before | null)?.trainer.close();
    const values = await trainer.objectiveParameters();
    before = {
      trainer,
      state: await trainer.state(),
      head: trainedHead(head, NEW_HEAD, values),
      galleries,
      exemplars: kept,
    };
  }
  await before?.trainer.close();
  return figures;
}

/** E_c in the order of the head's rows, which the batch's labels count. */
function centresOf(
  head: Head,
  galleries: readonly GallerySession[],
  items: ItemSet,
  form: 'sessions' | 'items',
): ClassMeans {
  const { means, isKnown } = storedCentres(galleries, items.classNames.length, DIMENSION, form);
  const labels = head.classNames.map((name) => items.classNames.indexOf(name));
  return {
    classes: labels.length,
    dimension: DIMENSION,
    means: Float32Array.from(
      labels.flatMap((label) => [...means.subarray(label * DIMENSION, (label + 1) * DIMENSION)]),
    ),
    isKnown: Int32Array.from(labels, (label) => isKnown[label] as number),
  };
}

async function exemplarsOf(
  trainer: Trainer,
  items: ItemSet,
  own: Int32Array,
  earlier: Int32Array,
): Promise<Int32Array> {
  const all = Int32Array.from([...new Set([...own, ...earlier])]).sort();
  const vectors = await embed(trainer, selectItems(items, all, 'candidates'));
  const byClass = new Map<number, number[]>();
  all.forEach((item, row) => {
    const label = items.labelOf[item] as number;
    byClass.set(label, [...(byClass.get(label) ?? []), row]);
  });
  const candidates = [...byClass].map(([label, rows]) => ({
    label,
    items: Int32Array.from(rows, (row) => all[row] as number),
    vectors: Float32Array.from(rows.flatMap((row) => [...vectors.subarray(row * DIMENSION, (row + 1) * DIMENSION)])),
  }));
  return Int32Array.from(chooseExemplars(candidates, DIMENSION, BUFFER).flatMap((chosen) => [...chosen.items]));
}

const mean = (values: readonly (number | null)[]) =>
  values.some((value) => value === null)
    ? null
    : values.reduce<number>((sum, value) => sum + (value ?? 0), 0) / values.length;
const text = (value: number | null | undefined) => (value === null || value === undefined ? '–' : value.toFixed(3));
const definition = {
  idx: { images: 'dist/sample/digits-images.idx3-ubyte', labels: 'dist/sample/digits-labels.idx1-ubyte' },
  splits: { train: 0.6, query: 0.1 },
  seed: 0,
};
// Of the build: npm run build
const digits = await loadDataset(definition, 'digits', process.cwd());
const train = selectPart(digits, definition, 'train');
const queries = selectPart(digits, definition, 'query');
for (const [setup, settings] of Object.entries(plans)) {
  if (only !== undefined && only !== setup) continue;
  console.log(`${setup}, ${seeds} seeds, ${epochs} epochs`);
  console.log('| method | AR@1 | AR@4 | last recall@1 | new classes, sessions 2-5 | first gallery, last model |');
  for (const method of methods) {
    if (chosen !== undefined && !chosen.split(',').includes(method)) continue;
    const rows: (number | null)[][] = [];
    for (let seed = 0; seed < Number(seeds); seed++) {
      const figures = await run(method, train, queries, settings(seed));
      const { averageRecall, matrix } = summariseSessions(figures);
      const fresh = figures.slice(1).map(({ newClasses }) => newClasses.recall);
      rows.push([
        averageRecall[1] ?? null,
        averageRecall[4] ?? null,
        figures.at(-1)?.recall[1] ?? null,
        mean(fresh),
        matrix.at(-1)?.[0] ?? null,
      ]);
    }
    const means = (rows[0] as number[]).map((_, k) => text(mean(rows.map((row) => row[k] ?? null))));
    console.log(`| ${[method, ...means].join(' | ')} |`);
  }
}

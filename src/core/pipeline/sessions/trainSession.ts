import path from 'node:path';
import { sessionObjective } from '../../continual/methods/sessionMethods.ts';
import { SESSIONS_FILES, type SessionResult, sessionFolder } from '../../contract/sessions.ts';
import { type ItemSet, selectItems } from '../../data/itemSet.ts';
import { vectorsInMemory } from '../../data/vectorSource.ts';
import { normaliseRows } from '../../numeric/normaliseRows.ts';
import { createEvaluator } from '../../training/createEvaluator.ts';
import { createBatchSource } from '../../training/data/createBatchSource.ts';
import { embedInOrder } from '../../training/data/embedInOrder.ts';
import type { HeldOutFigures } from '../../training/evaluator.ts';
import { openStates } from '../../training/loop/states/openStates.ts';
import { type LoopResult, type LoopState, trainModel } from '../../training/loop/trainModel.ts';
import { identityOf } from '../training/trainingInputs.ts';
import { scheduleOf } from '../training/trainingPlan.ts';
import { startFrom } from './carryWeights.ts';
import { concludeSession } from './concludeSession.ts';
import { embedItems } from './embedItems.ts';
import type { SessionItems } from './openSessions.ts';
import { headOfSession, type Inheritance, readInheritance, rowsOfHead, sessionsBefore } from './sessionStart.ts';
import {
  canSearchEachOther,
  createSessionTrainer,
  dimensionOf,
  type SessionTask,
  type SessionTrainer,
} from './sessionTask.ts';

type Opened = { close(): Promise<void> }[];

/** The least difference in mAP that counts is none: any better epoch is the best one. */
const STOP_METRIC = 'map';

/**
 * Trains a session from its newest state, and writes everything that it leaves into its folder, its result last.
 * Only the present model is held; galleries of sessions before are read from their files and let go.
 * @throws BackcompatError as `trainModel`
 */
export async function trainSession(task: SessionTask): Promise<SessionResult | 'paused'> {
  const { run, planned, session, isJoint, request } = task;
  const goesOn = session > 0 && !isJoint;
  const inherited = goesOn ? await readInheritance(run, planned, session, request.directory) : null;
  const trained = trainedItems(task, inherited);
  const opened: Opened = [];
  try {
    const made = await openTrainer(task, inherited, trained, opened);
    const result = await train(task, made, inherited, trained, opened);
    if (result.outcome === 'paused') return 'paused';
    return await concludeSession(task, made, inherited, result);
  } finally {
    for (const each of opened.reverse()) await each.close();
  }
}

/** Indices of the items that a session is trained on. */
function trainedItems({ run, planned, session, isJoint }: SessionTask, inherited: Inheritance | null): Int32Array {
  if (isJoint) return Int32Array.from(run.sessions.slice(0, session + 1).flatMap((part) => [...part.own]));
  const { own } = run.sessions[session] as SessionItems;
  return planned.options.replay === 'images' ? Int32Array.of(...own, ...(inherited?.exemplars ?? [])) : own;
}

async function openTrainer(
  task: SessionTask,
  inherited: Inheritance | null,
  trained: Int32Array,
  opened: Opened,
): Promise<SessionTrainer> {
  const { run, planned, session, hooks } = task;
  const dimension = dimensionOf(task);
  const labels = Array.from(trained, (item) => run.labelOf[item] as number);
  const head = headOfSession(run, inherited, labels, dimension);
  const before = inherited && (await sessionsBefore(planned, inherited, rowsOfHead(head, run), dimension));
  const objective = sessionObjective(planned.method, planned.options, head, before);
  const made = await createSessionTrainer(task, head, objective);
  const { trainer, ofObjective } = made;
  opened.push(trainer);
  if (inherited !== null) await startFrom(trainer, inherited.weights, ofObjective);
  for (const note of session === 0 ? trainer.notes : []) hooks.progress.log('info', `${planned.label}: ${note}`);
  return made;
}

async function train(
  task: SessionTask,
  { trainer, head }: SessionTrainer,
  inherited: Inheritance | null,
  trained: Int32Array,
  opened: Opened,
): Promise<LoopResult> {
  const { run, planned, session, request, hooks } = task;
  const { settings } = run;
  const { progress, signal, pause } = hooks;
  const items = selectItems(run.items, trained, `session ${session + 1} of ${run.items.name}`);
  const rowsIn = (of: typeof head) => {
    const rowOf = rowsOfHead(of, run);
    return trained.map((item) => rowOf[run.labelOf[item] as number] as number);
  };
  // Filled below, before the first batch is made: the same source embeds them, and decodes each image once.
  const oldVectors = inherited && new Float32Array(items.count * inherited.dimension);
  const source = createBatchSource(items, {
    inputs: run.start.inputsOf(items, null),
    fields: {
      labels: rowsIn(head),
      ...(inherited ? { oldLabels: rowsIn(inherited.head), oldLengths: true } : {}),
      ...(oldVectors
        ? { oldVectors: vectorsInMemory('vectors of the session before', oldVectors, inherited.dimension) }
        : {}),
    },
    batchSize: settings.batchSize,
    seed: settings.seed + session,
    itemsPerClass: null,
  });
  opened.push(source);
  const between = { signal, breathe: () => progress.breathe() };
  if (inherited !== null && oldVectors !== null) {
    // The model still has the weights of the session before; components that it has gained come last.
    const vectors = await embedInOrder(source, trainer, between);
    for (let row = 0; row < items.count; row++) {
      const start = row * trainer.dimension;
      oldVectors.set(vectors.subarray(start, start + inherited.dimension), row * inherited.dimension);
    }
    normaliseRows(oldVectors, inherited.dimension);
  }
  const folder = sessionFolder(planned.folder, session + 1);
  const states = openStates<LoopState>(
    path.join(request.directory, folder, SESSIONS_FILES.states),
    identityOf({ ...run.inputs, 'the session': folder }),
  );
  const evaluate = await earlyStopFigures(task, trainer);
  const schedule = scheduleOf(settings, source.batchesPerEpoch);
  const factor = inherited === null ? 1 : settings.laterRateFactor;
  const told = { part: folder, method: planned.folder, session: session + 1 };
  return trainModel(
    trainer,
    source,
    evaluate,
    {
      epochs: settings.epochs,
      schedule: { ...schedule, learningRate: schedule.learningRate * factor },
      stopEarly: { tax: null, patience: evaluate && settings.patience, metric: STOP_METRIC, paragon: null },
      ...(hooks.saveEverySeconds === undefined ? {} : { saveEverySeconds: hooks.saveEverySeconds }),
    },
    states,
    {
      progress,
      signal,
      pause,
      onStep: (step) => hooks.event({ type: 'step', ...told, ...step }),
      async onEpoch(figures) {
        hooks.event({ type: 'epoch', ...told, figures });
      },
    },
  );
}

/**
 * How the present model finds its way among the items that were set aside, each searching the others; null where nothing was, or
 * no item has another of its class to find, or there is one class only.
 */
async function earlyStopFigures(
  task: SessionTask,
  trainer: SessionTrainer['trainer'],
): Promise<(() => Promise<HeldOutFigures>) | null> {
  const { run, session, request, hooks } = task;
  const { setAside } = run.sessions[session] as SessionItems;
  if (!canSearchEachOther(setAside.map((item) => run.labelOf[item] as number))) return null;
  const items: ItemSet = selectItems(run.items, setAside, `what is set aside of session ${session + 1}`);
  const { threads } = request;
  const evaluator = await createEvaluator({
    queries: items,
    gallery: items,
    old: null,
    protocol: run.protocol,
    threads,
  });
  return () => evaluator.evaluate((wanted) => embedItems(task, trainer, wanted), hooks);
}

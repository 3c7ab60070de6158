import path from 'node:path';
import type { GallerySession } from '../../continual/classCentres.ts';
import type { SessionsBefore } from '../../continual/methods/sessionMethod.ts';
import { SESSIONS_FILES, sessionFolder } from '../../contract/sessions.ts';
import { growHead, type Head, initialHead } from '../../training/heads/head.ts';
import { readHead } from '../../training/heads/headFile.ts';
import type { StoredVectors } from '../../training/objectives/coherence.ts';
import { resolveOldSpace } from '../../training/objectives/createObjective.ts';
import type { WeightMemory } from '../../training/objectives/weightPenalty.ts';
import { grownMemory } from './carryWeights.ts';
import type { OpenSessions } from './openSessions.ts';
import { readExemplars, readGallery, readTensors, type Tensors } from './sessionFiles.ts';
import type { PlannedMethod } from './sessionsSettings.ts';

/** What the sessions before left in the run's directory; labels are the run's. */
export interface Inheritance {
  folder: string;
  dimension: number;
  head: Head;
  weights: Tensors;
  galleries: GallerySession[];
  exemplars: Int32Array;
}

/** @param session from 0; its predecessor is done */
export async function readInheritance(
  run: OpenSessions,
  { folder: method }: PlannedMethod,
  session: number,
  directory: string,
): Promise<Inheritance> {
  const folderOf = (index: number) => path.join(directory, sessionFolder(method, index + 1));
  const folder = folderOf(session - 1);
  const head = await readHead(path.join(folder, SESSIONS_FILES.head));
  const galleries: GallerySession[] = [];
  for (const [index, { own }] of run.sessions.slice(0, session).entries()) {
    galleries.push(await readGallery(folderOf(index), own, run.labelOf));
  }
  return {
    folder,
    dimension: head.dimension,
    head,
    weights: await readTensors(path.join(folder, SESSIONS_FILES.weights)),
    galleries,
    exemplars: await readExemplars(folder, new Map(run.items.ids.map((id, index) => [id, index]))),
  };
}

/** The head of a session before its first step: old rows stay as they are, new classes and components begin at random. */
export function headOfSession(
  run: OpenSessions,
  inherited: Inheritance | null,
  labels: Iterable<number>,
  dimension: number,
): Head {
  const { seed, head: form } = run.settings;
  const names = [...new Set(labels)].map((label) => run.classNames[label] as string);
  if (inherited === null) return initialHead(form, names, dimension, seed);
  return growHead(widenHead(inherited.head, dimension, seed), names, seed);
}

function widenHead(head: Head, dimension: number, seed: number): Head {
  if (head.dimension === dimension) return head;
  const { rows } = initialHead(head, head.classNames, dimension, seed);
  head.classNames.forEach((_, row) => {
    rows.set(head.rows.subarray(row * head.dimension, (row + 1) * head.dimension), row * dimension);
  });
  return { ...head, dimension, rows };
}

/** Row of the head for each label of the run, -1 for none. */
export function rowsOfHead({ classNames }: Pick<Head, 'classNames'>, run: OpenSessions): Int32Array {
  const rowOf = new Map(classNames.map((name, row) => [name, row]));
  return Int32Array.from(run.classNames, (name) => rowOf.get(name) ?? -1);
}

/** What a session's losses need of those before, in the words of its head. */
export async function sessionsBefore(
  { options }: PlannedMethod,
  inherited: Inheritance,
  rowOf: Int32Array,
  dimension: number,
): Promise<SessionsBefore> {
  const inRows = (labels: Int32Array) => labels.map((label) => rowOf[label] as number);
  const { head, galleries, exemplars } = inherited;
  const stored = options.replay === 'features' ? storedVectors(galleries, exemplars) : null;
  return {
    head,
    space: resolveOldSpace(inherited.dimension === dimension ? null : 'slice', inherited.dimension, dimension),
    galleries: galleries.map((gallery) => ({ ...gallery, labelOf: inRows(gallery.labelOf) })),
    stored: stored && { ...stored, labels: inRows(stored.labels) },
    memory: options.ewc === null ? null : grownMemory(await readMemory(inherited), dimension, inherited.dimension),
  };
}

/** The weights of the last session and the Fisher information of all. */
export async function readMemory({ folder, weights }: Pick<Inheritance, 'folder' | 'weights'>): Promise<WeightMemory> {
  const fisher = await readTensors(path.join(folder, SESSIONS_FILES.memory));
  return Object.fromEntries(
    Object.entries(fisher).flatMap(([name, { data }]) => {
      const kept = weights[name];
      return kept ? [[name, { shape: kept.shape, weights: kept.data, fisher: data }]] : [];
    }),
  );
}

/** The stored vectors of items, each by the model of its own session. Galleries are of one length. */
export function storedVectors(galleries: readonly GallerySession[], items: Int32Array): StoredVectors {
  const placeOf = new Map(
    galleries.flatMap((gallery) => Array.from(gallery.items, (item, row) => [item, { gallery, row }] as const)),
  );
  const dimension = galleries[0]?.dimension ?? 0;
  const vectors = new Float32Array(items.length * dimension);
  const labels = new Int32Array(items.length);
  items.forEach((item, place) => {
    const found = placeOf.get(item);
    if (found === undefined) return;
    const { gallery, row } = found;
    vectors.set(gallery.vectors.subarray(row * dimension, (row + 1) * dimension), place * dimension);
    labels[place] = gallery.labelOf[row] as number;
  });
  return { vectors, labels };
}

import { quotedList } from '../../config/closest.ts';
import type { CheckpointDefinition } from '../../config/schema.ts';
import { BackcompatError } from '../../contract/errors.ts';
import type { VectorSource } from '../../data/vectorSource.ts';
import type { FindClassifier } from '../../models/trainable/foundClassifier.ts';
import type { OldHeadChoice } from '../objectives/createObjective.ts';
import { classStatistics } from './classStatistics.ts';
import { type Head, type HeadForm, headForm } from './head.ts';
import { findOwnHead } from './ownHead.ts';

export interface OldHeadRequest {
  choice: OldHeadChoice;
  /** The old checkpoint: name in the config, definition, and what paths in it are relative to. */
  checkpoint: { name: string; definition: CheckpointDefinition; folder: string };
  /** Of the embedding in the model's file; null for a table. */
  output: string | null;
  /** The old model's vectors of the training items, as it gives them; row i for item i. */
  vectors: VectorSource;
  /** Of the training items: index into `classNames`, -1 for none. */
  labelOf: Int32Array;
  classNames: readonly string[];
  /** Looks into model files; null: not at all. */
  findClassifier: FindClassifier | null;
  /** The new head's, whose scale a synthesised head takes over where it is a cosine classifier. */
  newHead: HeadForm;
  /** For files of rows that cannot be read in place. */
  cacheFolder: string;
  signal?: AbortSignal;
}

/** An old head that is ready to judge new vectors. */
export interface OldHead {
  head: Head;
  /** Whether it was the model's own, or made from its vectors. */
  origin: 'own' | 'synthesised';
  /** Row of the head for each of the request's class names, -1 for those it does not know: what `oldLabels` are made of. */
  rowOf: Int32Array;
  /** Class names of the request that it knows. */
  known: number;
  /** What was found and assumed, for people. */
  notes: string[];
}

/** T = 0.05, where the new head has no scale of cosines to take over. */
const COSINE_SCALE = 20;

/**
 * The old head that a choice of the config stands for (training.md, "What is trained").
 * - `checkpoint`: the old model's own classifier, from `head` of the checkpoint or from its model file.
 * - `synthesised`: a row a class, the mean of the old model's normalised vectors, not renormalised; logits are the scale times
 *   its product with the normalised new vector. Needs nothing but vectors and labels.
 * - `distilled`: the own classifier where there is one, else a synthesised one.
 *
 * Classes are matched by name, never by position. How an own classifier makes logits is what its file or the config says; whether
 * its rows and vectors are normalised is looked at, and a scale that nobody says is asked for.
 * @throws BackcompatError `bad-config` (no head, or something that only the user knows is missing), `bad-data` (shapes that do
 *   not fit, no class in common), `not-found`, `bad-file`
 */
export async function resolveOldHead(request: OldHeadRequest): Promise<OldHead> {
  if (request.choice === 'synthesised') return synthesised(request);
  const own = await ownHead(request);
  if (own !== null) return own;
  if (request.choice === 'distilled' && request.labelOf.some((label) => label >= 0)) return synthesised(request);
  const { name, definition } = request.checkpoint;
  const isTable = 'vectors' in definition;
  throw new BackcompatError(
    'bad-config',
    isTable
      ? `The checkpoint ${JSON.stringify(name)} is a table of vectors and names no head.`
      : `The checkpoint ${JSON.stringify(name)} names no head, and behind the embedding in ${definition.model} is no classifier.`,
    {
      place: { field: `checkpoints.${name}.head` },
      remedy:
        request.choice === 'distilled'
          ? 'Give the checkpoint a "head" with "weights", or label the items: then a head is synthesised from its vectors.'
          : 'Give the checkpoint a "head" with "weights", or set "oldHead": "synthesised" to make one from its vectors.',
    },
  );
}

async function synthesised({
  vectors,
  labelOf,
  classNames,
  newHead,
  signal,
  checkpoint,
}: OldHeadRequest): Promise<OldHead> {
  const { counts, means, dimension } = await classStatistics(vectors, labelOf, classNames.length, signal);
  const held = classNames.map((_, label) => label).filter((label) => (counts[label] as number) > 0);
  if (held.length === 0) {
    throw new BackcompatError('bad-data', `No item of ${vectors.name} has a label, so no head can be synthesised.`, {
      place: { field: 'oldHead' },
      remedy: 'Label the items, or set "oldHead": "distilled" and give the old checkpoint a "head".',
    });
  }
  const rows = new Float32Array(held.length * dimension);
  held.forEach((label, row) => {
    rows.set(means.subarray(label * dimension, (label + 1) * dimension), row * dimension);
  });
  const rowOf = new Int32Array(classNames.length).fill(-1);
  held.forEach((label, row) => {
    rowOf[label] = row;
  });
  const scale = newHead.kind === 'linear' ? COSINE_SCALE : newHead.scale;
  return {
    head: {
      ...headForm('nsoftmax', { scale }),
      unitRows: false,
      classNames: held.map((label) => classNames[label] as string),
      dimension,
      rows,
      bias: null,
    },
    origin: 'synthesised',
    rowOf,
    known: held.length,
    notes: [
      `The old head is synthesised: means of the normalised vectors of ${checkpoint.name} over ${held.length} classes, scale ${scale}.`,
    ],
  };
}

/** The classifier that the model was trained with; null where there is none. */
async function ownHead(request: OldHeadRequest): Promise<OldHead | null> {
  const found = await findOwnHead(request);
  if (found === null) return null;
  const { head, notes } = found;
  const { vectors, classNames, choice } = request;
  if (head.dimension !== vectors.dimension) {
    throw new BackcompatError(
      'bad-data',
      `The head of ${JSON.stringify(request.checkpoint.name)} (${found.where}) has rows of ${head.dimension} components, the embedding has ${vectors.dimension}.`,
      {
        place: { file: found.where },
        remedy: 'Name the classifier that stood behind this embedding, or set "oldHead": "synthesised".',
      },
    );
  }
  const rowByName = new Map(head.classNames.map((name, row) => [name, row]));
  const rowOf = Int32Array.from(classNames, (name) => rowByName.get(name) ?? -1);
  const shared = classNames.filter((name) => rowByName.has(name));
  if (choice === 'checkpoint') {
    if (shared.length === 0) {
      throw new BackcompatError(
        'bad-data',
        `The old head (${found.where}) knows none of the classes of the training items: it has ${quotedList(head.classNames, 6)}, the items ${quotedList(classNames, 6)}.`,
        {
          place: { field: `checkpoints.${request.checkpoint.name}.head.classes` },
          remedy: 'Give "classes" the names that the labels have, or set "oldHead": "synthesised".',
        },
      );
    }
    const rest = classNames.length - shared.length;
    notes.push(
      rest === 0
        ? `The old head knows all ${classNames.length} classes of the training items.`
        : `The old head knows ${shared.length} of the ${classNames.length} classes of the training items (${quotedList(shared, 6)}); it binds no item of the other ${rest}.`,
    );
  }
  return { head, origin: 'own', rowOf, known: shared.length, notes };
}

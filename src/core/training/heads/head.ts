import { createRandom } from '../../numeric/random.ts';
import type { ObjectiveParameter } from '../objectives/objective.ts';

/**
 * How a classifier makes logits: `linear` (rows and bias), `nsoftmax` (cosine / T), `cosface` (Wang et al., CVPR 2018) and
 * `arcface` (Deng et al., CVPR 2019), the last two with a margin on the item's own class while they train.
 */
export type HeadKind = 'linear' | 'nsoftmax' | 'cosface' | 'arcface';

/** logits = scale (V(x) . R(w)) + bias, with V and R the identity or to unit length (L2). */
export interface HeadForm {
  readonly kind: HeadKind;
  /** 1 / temperature; 1 for `linear` unless said. */
  readonly scale: number;
  /** Of `cosface` (a cosine) and `arcface` (radians); 0 for the others. */
  readonly margin: number;
  /** Whether vectors are brought to unit length first. */
  readonly unitVectors: boolean;
  /** Whether rows are. */
  readonly unitRows: boolean;
}

/** A classifier over embeddings. */
export interface Head extends HeadForm {
  /** Class of each row. */
  readonly classNames: readonly string[];
  readonly dimension: number;
  /** classNames.length x dimension, row-major. */
  readonly rows: Float32Array;
  /** One a class; null: none. */
  readonly bias: Float32Array | null;
}

/** Scales and margins of the papers; T of `nsoftmax` is 0.05. */
const defaults: Record<HeadKind, { scale: number; margin: number }> = {
  linear: { scale: 1, margin: 0 },
  nsoftmax: { scale: 20, margin: 0 },
  cosface: { scale: 30, margin: 0.3 },
  arcface: { scale: 30, margin: 0.5 },
};

/** The form of a kind, with what is not given filled in. `temperature` is 1 / `scale`: give one of them. */
export function headForm(
  kind: HeadKind,
  { temperature, scale, margin }: { temperature?: number; scale?: number; margin?: number } = {},
): HeadForm {
  return {
    kind,
    scale: scale ?? (temperature === undefined ? defaults[kind].scale : 1 / temperature),
    margin: kind === 'cosface' || kind === 'arcface' ? (margin ?? defaults[kind].margin) : 0,
    unitVectors: kind !== 'linear',
    unitRows: kind !== 'linear',
  };
}

/**
 * A head that has learnt nothing: normal rows of expected length 1, no bias yet (zeros, `linear` only). A class's row follows from seed and name
 * alone, so it is the same whatever other classes there are.
 */
export function initialHead(form: HeadForm, classNames: readonly string[], dimension: number, seed: number): Head {
  const rows = new Float32Array(classNames.length * dimension);
  classNames.forEach((name, row) => {
    const random = createRandom(seed, `head/${name}`);
    for (let k = 0; k < dimension; k++) rows[row * dimension + k] = random.normal() / Math.sqrt(dimension);
  });
  const bias = form.kind === 'linear' ? new Float32Array(classNames.length) : null;
  return { ...form, classNames, dimension, rows, bias };
}

/**
 * The head with rows for more classes behind its own, which stay as they are.
 * @param classNames classes to come; those it has already are skipped
 */
export function growHead(head: Head, classNames: readonly string[], seed: number): Head {
  const fresh = classNames.filter((name) => !head.classNames.includes(name));
  const added = initialHead(head, fresh, head.dimension, seed);
  return {
    ...head,
    classNames: [...head.classNames, ...fresh],
    rows: joined(head.rows, added.rows),
    bias: head.bias && joined(head.bias, new Float32Array(fresh.length)),
  };
}

function joined(first: Float32Array, second: Float32Array): Float32Array {
  const values = new Float32Array(first.length + second.length);
  values.set(first);
  values.set(second, first.length);
  return values;
}

/** Its weights as an objective's parameters, `<prefix>.weight` and `<prefix>.bias`. */
export function headParameters(head: Head, prefix: string, isTrained: boolean): ObjectiveParameter[] {
  const { rows, bias, classNames, dimension } = head;
  const classes = classNames.length;
  return [
    { name: `${prefix}.weight`, shape: [classes, dimension], data: rows, isTrained },
    ...(bias ? [{ name: `${prefix}.bias`, shape: [classes], data: bias, isTrained }] : []),
  ];
}

/** The head with the weights that `headParameters` of that prefix have become. */
export function trainedHead(head: Head, prefix: string, values: Readonly<Record<string, Float32Array>>): Head {
  return {
    ...head,
    rows: values[`${prefix}.weight`] ?? head.rows,
    bias: head.bias && (values[`${prefix}.bias`] ?? head.bias),
  };
}

import path from 'node:path';
import { BackcompatError } from '../../contract/errors.ts';
import { isNormalised } from '../../data/normalised.ts';
import { type Head, headForm } from './head.ts';
import { readHeadArrays } from './headArrays.ts';
import { readHeadIfOurs } from './headFile.ts';
import type { OldHeadRequest } from './oldHead.ts';

/** Largest deviation of a row's length from 1 at which rows count as normalised. */
const UNIT_TOLERANCE = 1e-3;

export interface FoundHead {
  head: Head;
  /** File, for messages. */
  where: string;
  notes: string[];
}

/**
 * The classifier that a model was trained with, from the config's `head` or from its model file; null where there is none.
 * Nothing is said yet about how it fits the training items.
 */
export async function findOwnHead(request: OldHeadRequest): Promise<FoundHead | null> {
  const { checkpoint, findClassifier, output, cacheFolder, signal, vectors } = request;
  const { definition, folder } = checkpoint;
  const said = definition.head ?? {};
  if (said.weights !== undefined) {
    const file = path.resolve(folder, said.weights);
    const own = /\.safetensors$/i.test(file) ? await readHeadIfOurs(file) : null;
    if (own !== null) return withSettings(own, request, file);
    const arrays = await readHeadArrays(file, said.array ?? null, { cacheFolder, signal });
    const notes: string[] = [];
    let [classes, dimension] = arrays.shape;
    let { rows } = arrays;
    // Some tools store a column a class.
    if (dimension !== vectors.dimension && classes === vectors.dimension) {
      [rows, classes, dimension] = [transposed(rows, classes, dimension), dimension, classes];
      notes.push(`The head in ${file} is stored with a column a class, and turned.`);
    }
    const raw = { classes, dimension, rows, bias: arrays.bias, unitVectors: null, scale: null };
    return described(raw, request, file, notes);
  }
  if ('vectors' in definition || findClassifier === null || output === null) return null;
  const file = path.resolve(folder, definition.model);
  if (!/\.onnx$/i.test(file)) return null;
  const found = await findClassifier(file, output);
  if (found === null) return null;
  const where = `${found.name} in ${file}`;
  return described(found, request, where, [`The old head is ${where}: ${found.classes} classes.`]);
}

/** A head of ours says everything; the config may say otherwise. */
function withSettings(head: Head, { checkpoint }: OldHeadRequest, where: string): FoundHead {
  const { kind, temperature, scale, margin, classes } = checkpoint.definition.head ?? {};
  const isForm = [kind, temperature, scale, margin].some((value) => value !== undefined);
  const form = headForm(kind ?? head.kind, {
    scale: scale ?? (temperature === undefined ? head.scale : undefined),
    temperature,
    margin: margin ?? head.margin,
  });
  const classNames = classes ?? head.classNames;
  checkClassCount(classNames.length, head.classNames.length, checkpoint.name, where);
  // Rows that were synthesised stay as they are.
  const kept =
    isForm && (kind ?? head.kind) !== head.kind
      ? form
      : { ...form, unitVectors: head.unitVectors, unitRows: head.unitRows };
  return { head: { ...head, ...kept, classNames }, where, notes: [] };
}

interface RawHead {
  classes: number;
  dimension: number;
  rows: Float32Array;
  bias: Float32Array | null;
  /** null: not known. */
  unitVectors: boolean | null;
  scale: number | null;
}

/** A classifier of another tool: what is known of it, looked at, or asked for. */
async function described(raw: RawHead, request: OldHeadRequest, where: string, notes: string[]): Promise<FoundHead> {
  const { checkpoint, vectors } = request;
  const said = checkpoint.definition.head ?? {};
  const { classes, dimension, rows, bias } = raw;
  const field = `checkpoints.${checkpoint.name}.head`;
  if (bias !== null && bias.length !== classes) {
    throw new BackcompatError('bad-data', `The head in ${where} has ${classes} rows and a bias of ${bias.length}.`, {
      place: { file: where },
      remedy: 'Name the array of its rows with "array".',
    });
  }
  const scale = said.scale ?? (said.temperature === undefined ? raw.scale : 1 / said.temperature);
  const areUnitRows = bias === null && areUnit(rows, dimension);
  const kind = said.kind ?? (areUnitRows ? 'nsoftmax' : 'linear');
  if (kind !== 'linear' && (scale === null || (said.kind === undefined && scale === 1))) {
    const seen = said.kind === undefined ? ' (its rows have length 1 and no bias)' : '';
    throw new BackcompatError(
      'bad-config',
      `The head in ${where} is a cosine classifier${seen}, and nothing says its scale.`,
      {
        place: { field },
        remedy: `Give ${JSON.stringify(field)} the "scale" (or "temperature") that it was trained with${said.kind === undefined ? ', and its "kind"' : ''}; a plain classifier is of the "kind" "linear".`,
      },
    );
  }
  let form = headForm(kind, { scale: scale ?? 1, margin: said.margin });
  if (kind === 'linear') {
    const isUnit = await isNormalised(vectors);
    form = { ...form, unitVectors: said.normalised ?? (raw.unitVectors || isUnit) };
    if (raw.unitVectors === false && isUnit && said.normalised === undefined) {
      notes.push(
        'The old classifier reads vectors before they are normalised, the embedding comes after: its logits are smaller here than they were; "scale" of the head can make up for it.',
      );
    }
    notes.push(
      form.unitVectors
        ? 'The old head is linear over vectors of unit length: new vectors are normalised before it.'
        : 'The old head is linear over vectors of any length: new vectors meet it as they are.',
    );
  } else {
    notes.push(`The old head is of the kind ${kind}, scale ${form.scale}.`);
  }
  const classNames = said.classes ?? impliedNames(request, classes, where, notes);
  checkClassCount(classNames.length, classes, checkpoint.name, where);
  return { head: { ...form, classNames, dimension, rows, bias }, where, notes };
}

/** Names of rows that nothing names: labels that are integers stand for rows. */
function impliedNames(
  { classNames, choice, checkpoint }: OldHeadRequest,
  classes: number,
  where: string,
  notes: string[],
) {
  const numbers = Array.from({ length: classes }, (_, row) => String(row));
  // A teacher needs no names.
  if (choice === 'distilled') return numbers;
  const field = `checkpoints.${checkpoint.name}.head.classes`;
  const remedy = `Give ${JSON.stringify(field)} the class name of each row, in their order.`;
  if (!classNames.every((name) => /^(0|[1-9]\d*)$/.test(name))) {
    throw new BackcompatError(
      'bad-config',
      `Nothing says which classes the ${classes} rows of the head in ${where} stand for.`,
      {
        place: { field },
        remedy,
      },
    );
  }
  const largest = Math.max(...classNames.map(Number));
  if (largest >= classes) {
    throw new BackcompatError(
      'bad-data',
      `The labels go up to ${largest}, the head in ${where} has ${classes} rows (0 to ${classes - 1}) without names.`,
      { place: { field }, remedy },
    );
  }
  notes.push(`Rows of the old head have no names: row 0 is taken for class "0", and so on.`);
  return numbers;
}

function checkClassCount(names: number, rows: number, checkpoint: string, where: string): void {
  if (names === rows) return;
  throw new BackcompatError(
    'bad-config',
    `The head of ${JSON.stringify(checkpoint)} has ${rows} rows (${where}), "classes" names ${names}.`,
    {
      place: { field: `checkpoints.${checkpoint}.head.classes` },
      remedy: 'Give one name for each row, in their order.',
    },
  );
}

function areUnit(rows: Float32Array, dimension: number): boolean {
  for (let start = 0; start < rows.length; start += dimension) {
    let squared = 0;
    for (let k = start; k < start + dimension; k++) squared += (rows[k] as number) ** 2;
    if (Math.abs(Math.sqrt(squared) - 1) > UNIT_TOLERANCE) return false;
  }
  return true;
}

function transposed(values: Float32Array, rows: number, columns: number): Float32Array {
  const result = new Float32Array(values.length);
  for (let row = 0; row < rows; row++) {
    for (let k = 0; k < columns; k++) result[k * rows + row] = values[row * columns + k] as number;
  }
  return result;
}

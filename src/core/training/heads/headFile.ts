import { BackcompatError } from '../../contract/errors.ts';
import { readSafetensors, readTensorValues, writeSafetensors } from '../../data/safetensors.ts';
import type { Head, HeadKind } from './head.ts';

const FORMAT = 'backcompat.head';
const FORMAT_VERSION = '1';
const kinds: readonly string[] = ['linear', 'nsoftmax', 'cosface', 'arcface'] satisfies HeadKind[];

/**
 * Writes a head as safetensors: `weight` [classes, dimension], `bias` [classes], and the rest as metadata (class names as
 * JSON), so that it can be the old head of the next training. Atomic.
 */
export async function writeHead(file: string, head: Head): Promise<void> {
  const { rows, bias, classNames, dimension, kind, scale, margin, unitVectors, unitRows } = head;
  const classes = classNames.length;
  await writeSafetensors(
    file,
    {
      weight: { shape: [classes, dimension], data: rows },
      ...(bias ? { bias: { shape: [classes], data: bias } } : {}),
    },
    {
      format: FORMAT,
      formatVersion: FORMAT_VERSION,
      kind,
      scale: String(scale),
      margin: String(margin),
      unitVectors: String(unitVectors),
      unitRows: String(unitRows),
      classes: JSON.stringify(classNames),
    },
  );
}

/**
 * Reads what `writeHead` wrote.
 * @throws BackcompatError `not-found`; `bad-file` for anything else, also a head of a later version
 */
export async function readHead(file: string): Promise<Head> {
  const head = await readHeadIfOurs(file);
  if (head !== null) return head;
  throw new BackcompatError('bad-file', `${file} is not a head that a training run has written.`, {
    place: { file },
    remedy: 'Name the head.safetensors of a training run.',
  });
}

/** The same; null for a safetensors file of another origin. */
export async function readHeadIfOurs(file: string): Promise<Head | null> {
  const { tensors, metadata } = await readSafetensors(file, 'The head');
  if (metadata.format !== FORMAT) return null;
  const refuse = (problem: string): BackcompatError =>
    new BackcompatError('bad-file', `${file} is a damaged head: ${problem}.`, {
      place: { file },
      remedy: 'Copy it again from the run that wrote it.',
    });
  if (metadata.formatVersion !== FORMAT_VERSION) {
    throw new BackcompatError(
      'bad-file',
      `${file} is a head of version ${metadata.formatVersion}; version ${FORMAT_VERSION} is read.`,
      { place: { file }, remedy: 'Update Backcompat.' },
    );
  }
  const { kind = '' } = metadata;
  const classNames = classNamesOf(metadata.classes);
  if (classNames === null) throw refuse('its class names are missing');
  if (!kinds.includes(kind)) throw refuse(`it is of no known kind (${JSON.stringify(kind)})`);
  const [scale, margin] = [Number(metadata.scale), Number(metadata.margin)];
  if (!(scale > 0) || !Number.isFinite(scale) || !Number.isFinite(margin)) throw refuse('it has no scale or margin');
  const weight = tensors.find(({ name }) => name === 'weight');
  const bias = tensors.find(({ name }) => name === 'bias');
  const [classes, dimension] = weight?.shape ?? [];
  if (weight?.shape.length !== 2 || classes !== classNames.length || !dimension) {
    throw refuse(`its rows are [${weight?.shape.join(', ') ?? ''}] for ${classNames.length} classes`);
  }
  if (bias && (bias.shape.length !== 1 || bias.shape[0] !== classes)) {
    throw refuse(`its bias is [${bias.shape.join(', ')}] for ${classes} classes`);
  }
  const head: Head = {
    kind: kind as HeadKind,
    scale,
    margin,
    unitVectors: metadata.unitVectors === 'true',
    unitRows: metadata.unitRows === 'true',
    classNames,
    dimension,
    rows: await readTensorValues(file, weight),
    bias: bias ? await readTensorValues(file, bias) : null,
  };
  if (!head.rows.every(Number.isFinite) || !(head.bias ?? []).every(Number.isFinite)) {
    throw refuse('it holds NaN or infinite numbers');
  }
  return head;
}

function classNamesOf(text: string | undefined): string[] | null {
  try {
    const names: unknown = JSON.parse(text ?? '');
    return Array.isArray(names) && names.every((name) => typeof name === 'string') ? names : null;
  } catch {
    return null;
  }
}

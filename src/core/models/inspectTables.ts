import { quotedList } from '../config/closest.ts';
import { archiveColumns } from '../data/archiveColumns.ts';
import type { ItemSet } from '../data/itemSet.ts';
import { readLabelTable } from '../data/labelTable.ts';
import { type RowColumn, type RowFormat, rowFormatOf, rowFormatWords } from '../data/rowTable.ts';
import { arrayWords, pickArray } from '../data/vectorArray.ts';
import { findVectorColumns, pickVectorColumns, type VectorColumnsFound } from '../data/vectorColumns.ts';
import { readVectorItems } from '../data/vectorItems.ts';
import { sampleVectors } from '../data/vectorTable.ts';
import type { Inspection } from './inspection.ts';

/** Values that are looked at; the beginning of a file says most. */
const SAMPLE_VALUES = 2 ** 18;

/** Of a file whose dimension is not known before it is read. */
const SAMPLE_ROWS = 512;

/** An array of vectors alone. */
export async function inspectNpy(inspection: Inspection): Promise<void> {
  inspection.audit.as = 'vectors';
  await describeVectors(inspection, null);
  const reason = 'It needs a label file: a table (CSV, TSV, JSON Lines or Parquet) whose row i belongs to vector i.';
  inspection.audit = { possible: true, as: 'vectors', reason, remedy: null };
}

/** npz and safetensors. */
export async function inspectArchive(inspection: Inspection): Promise<void> {
  inspection.audit.as = 'vectors';
  const { arrays } = await archiveColumns(inspection.path, inspection.kind as 'npz' | 'safetensors');
  for (const array of arrays) inspection.facts.push({ name: 'array', value: arrayWords(array) });
  if (arrays.filter(({ isVectors }) => isVectors).length > 1) {
    inspection.audit = {
      possible: true,
      as: 'vectors',
      reason: 'It holds several tables of vectors, of which one is named: FILE#NAME, or "array" in a config.',
      remedy: null,
    };
    return;
  }
  pickArray(inspection.path, arrays, null);
  await describeVectors(inspection, null);
  describeOwnItems(inspection, await readVectorItems(inspection.path, { name: inspection.path, idPrefix: 'row' }));
}

/** CSV, TSV, JSON Lines and Parquet: vectors, labels, or both. */
export async function inspectRows(inspection: Inspection): Promise<void> {
  const file = inspection.path;
  const format = await rowFormatOf(file, 'The table');
  inspection.format = rowFormatWords[format];
  const found = await findVectorColumns(file, format);
  const isVectors = found.candidates.some(({ isCertain }) => isCertain);
  if (!isVectors) return inspectLabels(inspection, format, found.columns);
  inspection.audit.as = 'vectors';
  if (inspection.kind === 'labels') inspection.kind = 'table';
  await inspectVectorColumns(inspection, found);
}

async function inspectVectorColumns(inspection: Inspection, found: VectorColumnsFound): Promise<void> {
  const file = inspection.path;
  const vectors = pickVectorColumns(file, found, null);
  const isList = vectors.kind === 'list';
  const [first, last] = [vectors.columns[0], vectors.columns.at(-1)];
  inspection.facts.push({
    name: isList ? 'vector column' : 'vector columns',
    value: isList ? `${JSON.stringify(first)}` : `${JSON.stringify(first)} to ${JSON.stringify(last)}`,
  });
  await describeVectors(inspection, null);
  describeOwnItems(inspection, await readVectorItems(file, { name: file, idPrefix: 'row' }));
}

async function inspectLabels(inspection: Inspection, format: RowFormat, columns: readonly RowColumn[]): Promise<void> {
  const file = inspection.path;
  inspection.audit.as = 'labels';
  if (format !== 'csv') inspection.facts.push({ name: 'columns', value: quotedList(columns.map(({ name }) => name)) });
  const items = await readLabelTable(file, { name: file, idPrefix: 'row' });
  const reason = 'It needs vectors: a file with one vector for each of its rows.';
  inspection.audit = { possible: true, as: 'labels', reason, remedy: null };
  describeIds(inspection, items);
  describeItems(inspection, items);
}

async function describeVectors(inspection: Inspection, array: string | null): Promise<void> {
  const isRows = ['labels', 'table', 'parquet'].includes(inspection.kind);
  let sample = await sampleVectors(inspection.path, isRows ? SAMPLE_ROWS : 1, { array });
  const { count, dimension } = sample;
  if (!isRows) {
    sample = await sampleVectors(inspection.path, Math.max(1, Math.floor(SAMPLE_VALUES / dimension)), { array });
  }
  inspection.dimension = dimension;
  if (count !== null) {
    inspection.count = count;
    inspection.facts.push({ name: 'vectors', value: count.toLocaleString('en') });
  }
  inspection.facts.push(
    { name: 'dimension', value: String(dimension) },
    { name: 'length', value: areUnit(sample.values, dimension) ? 'all 1 (normalised)' : 'not normalised' },
  );
  const rows = sample.values.length / dimension;
  if (count === null || rows < count) {
    inspection.notes.push(`Values of the first ${rows.toLocaleString('en')} rows were looked at.`);
  }
}

/** Items that a file of vectors holds itself. */
function describeOwnItems(inspection: Inspection, items: ItemSet): void {
  inspection.audit = { possible: true, as: 'vectors', reason: null, remedy: null };
  describeIds(inspection, items);
  if (items.labelled === false) {
    inspection.count = items.count;
    inspection.audit.reason =
      'It has no labels: with a label file everything is measured, without one what needs no labels.';
    return;
  }
  describeItems(inspection, items);
}

function describeIds(inspection: Inspection, items: ItemSet): void {
  inspection.facts.push({
    name: 'ids',
    value: items.rowFile === undefined ? 'column "id"' : 'none; rows are numbered',
  });
}

export function describeItems(inspection: Inspection, items: ItemSet): void {
  inspection.count = items.count;
  inspection.classNames = [...items.classNames];
  inspection.facts.push(
    { name: 'items', value: items.count.toLocaleString('en') },
    { name: 'classes', value: `${items.classNames.length}: ${quotedList(items.classNames, 10)}` },
  );
  if (items.slices.size > 0) inspection.facts.push({ name: 'slices', value: [...items.slices.keys()].join(', ') });
  if (items.classNames.length < 2) {
    inspection.audit.reason = 'All items have the same label: nothing can be told apart.';
    inspection.audit.remedy = 'Give items of at least two classes.';
    inspection.audit.possible = false;
  }
}

function areUnit(values: Float32Array, dimension: number): boolean {
  for (let start = 0; start < values.length; start += dimension) {
    let sum = 0;
    for (let i = start; i < start + dimension; i++) sum += (values[i] as number) ** 2;
    if (Math.abs(Math.sqrt(sum) - 1) > 1e-3) return false;
  }
  return true;
}

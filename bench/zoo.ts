/** Every model of the zoo (bench/reference/makeZoo.py): opened, held against PyTorch, fine-tuned, written and run elsewhere. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { readSafetensors, readTensorValues } from '../src/core/data/safetensors.ts';
import { readOnnxModel } from '../src/core/engine/onnxModel.ts';
import { type Operations, unitRows } from '../src/core/engine/operations.ts';
import type { ModelProto } from '../src/core/engine/proto/onnx_pb.js';
import { createSession } from '../src/core/engine/session.ts';
import { openCheckpoint } from '../src/core/models/checkpoint.ts';
import { createRandom } from '../src/core/numeric/random.ts';
import type { Objective, ObjectiveStep } from '../src/core/training/objectives/objective.ts';
import { createOnnxTrainer } from '../src/core/training/onnxTrainer.ts';
import type {
  OptimizerSettings,
  Trainer,
  TrainerSpec,
  TrainingBatch,
  TrainingTensor,
} from '../src/core/training/trainer.ts';
import { referencePython } from './support/peer.ts';

const zoo = path.join(process.env.XDG_CACHE_HOME ?? path.join(os.homedir(), '.cache'), 'backcompat/zoo');
const STEPS = 15;
const RATE = 3e-4;
/** Of the cosines that the head makes of vectors and rows. */
const SCALE = 10;
const CLASSES = 4;
const ITEMS = 16;
/** Below this share of the largest gradient one is nought to PyTorch, too (the bias of keys in attention). */
const ZERO_GRADIENT = 1e-5;

interface Entry {
  folder: string;
  name: string;
  exporter: string;
  fresh: boolean;
  kind: 'images' | 'tokens';
}

interface Reference {
  inputs: Record<string, TrainingTensor>;
  vectors: Float32Array;
  direction: TrainingTensor & { data: Float32Array };
  parameters: { name: string; shape: readonly number[]; data: Float32Array; gradient: Float32Array }[];
}

async function readReference(folder: string): Promise<Reference> {
  const file = path.join(folder, 'reference.safetensors');
  const { tensors } = await readSafetensors(file);
  const bytes = readFileSync(file);
  const inputs: Reference['inputs'] = {};
  const parameters: Reference['parameters'] = [];
  const values = new Map<string, { shape: readonly number[]; data: Float32Array }>();
  for (const tensor of tensors) {
    const { name, shape, dtype, offset } = tensor;
    if (dtype === 'F32') values.set(name, { shape, data: await readTensorValues(file, tensor) });
    else {
      const count = shape.reduce((product, size) => product * size, 1);
      const data = new BigInt64Array(new Uint8Array(bytes.subarray(offset, offset + 8 * count)).buffer);
      inputs[name.replace('input/', '')] = { shape, data };
    }
  }
  for (const [name, { shape, data }] of values) {
    if (name.startsWith('input/')) inputs[name.replace('input/', '')] = { shape, data };
    const gradient = values.get(name.replace('parameter/', 'gradient/'))?.data;
    if (name.startsWith('parameter/') && gradient) parameters.push({ name, shape, data, gradient });
  }
  const direction = values.get('direction') as Reference['direction'];
  return { inputs, vectors: (values.get('vectors') as { data: Float32Array }).data, direction, parameters };
}

/** Mean over items of sum(vector * direction), which comes as the field of old vectors. */
const alongDirection: Objective = {
  name: 'direction',
  fields: ['oldVectors'],
  parameters: [],
  terms<T>(ops: Operations<T>, { embedding, fields }: ObjectiveStep<T>) {
    return { direction: ops.mean(ops.sum(ops.multiply(embedding, fields.oldVectors), -1), null) };
  },
};

function linearHead(dimension: number): Objective {
  const random = createRandom(0, 'head');
  const data = Float32Array.from({ length: CLASSES * dimension }, () => random.normal() / Math.sqrt(dimension));
  return {
    name: 'linear head',
    fields: ['labels'],
    parameters: [{ name: 'rows', shape: [CLASSES, dimension], data, isTrained: true }],
    terms<T>(ops: Operations<T>, { embedding, fields, parameters }: ObjectiveStep<T>) {
      const products = ops.matmul(unitRows(ops, embedding), parameters.rows as T, { transposeB: true });
      const logits = ops.multiply(products, ops.scalar(SCALE));
      const own = ops.sum(ops.multiply(ops.oneHot(fields.labels, CLASSES), ops.logSoftmax(logits, -1)), -1);
      return { classification: ops.negate(ops.mean(own, null)) };
    },
  };
}

const optimizer: OptimizerSettings = { name: 'adamw', weightDecay: 0, beta1: 0.9, beta2: 0.999, epsilon: 1e-8 };

function spec(file: string, objective: Objective): TrainerSpec {
  const start = { kind: 'file', file, output: 'vectors' } as const;
  return { start, trainable: 'all', objective, optimizer, clipNorm: 1, threads: 2, lowMemory: false };
}

/** Random items of random classes, shaped as the reference's. */
function batchLike(inputs: Reference['inputs']): TrainingBatch {
  const random = createRandom(3, 'zoo');
  const made = Object.entries(inputs).map(([name, { shape, data }]) => {
    const dims = [ITEMS, ...shape.slice(1)];
    const count = dims.reduce((product, size) => product * size, 1);
    if (data instanceof Float32Array) {
      return [name, { shape: dims, data: Float32Array.from({ length: count }, () => random.normal()) }] as const;
    }
    const value = () => (name.includes('mask') ? 1n : BigInt(5 + random.integer(190)));
    return [name, { shape: dims, data: BigInt64Array.from({ length: count }, value) }] as const;
  });
  const labels = Int32Array.from({ length: ITEMS }, (_, index) => index % CLASSES);
  return { count: ITEMS, inputs: Object.fromEntries(made), fields: { labels: { shape: [ITEMS], data: labels } } };
}

function relativeDifference(values: ArrayLike<number>, reference: ArrayLike<number>): number {
  const largest = Array.from(reference).reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  return (
    Array.from(reference).reduce((most, value, i) => Math.max(most, Math.abs(value - (values[i] as number))), 0) /
    largest
  );
}

function norm(values: Float32Array): number {
  return Math.sqrt(values.reduce((sum, value) => sum + value * value, 0));
}

/** A reference parameter of these values, and its gradient in the layout of ours; exporters transpose and reshape. */
function gradientFor(data: Float32Array, shape: readonly number[], reference: Reference): Float32Array | null {
  const isSame = (other: Float32Array) => {
    const tolerance = 2e-5 * (1e-3 + Math.abs(other[0] as number) + norm(other) / Math.sqrt(other.length));
    return other.every((value, index) => Math.abs(value - (data[index] as number)) <= tolerance);
  };
  for (const candidate of reference.parameters) {
    if (candidate.data.length !== data.length) continue;
    if (isSame(candidate.data)) return candidate.gradient;
    const [rows, columns] = candidate.shape;
    if (candidate.shape.length === 2 && rows && columns && shape.length === 2) {
      const turn = (values: Float32Array) =>
        values.map((_, index) => values[(index % rows) * columns + Math.floor(index / rows)] as number);
      if (isSame(turn(candidate.data))) return turn(candidate.gradient);
    }
  }
  return null;
}

/** Largest relative error of a gradient, and how many could be compared. */
async function compareGradients(trainer: Trainer, weights: Record<string, Float32Array>, reference: Reference) {
  const count = reference.direction.shape[0] as number;
  const fields = { oldVectors: reference.direction };
  const { gradients } = await trainer.gradients({ count, inputs: reference.inputs, fields });
  const largest = Math.max(...Object.values(gradients).map(norm));
  let worst = 0;
  let compared = 0;
  for (const { name, shape, isTrained } of trainer.parameters) {
    const gradient = gradients[name];
    const expected = isTrained && weights[name] ? gradientFor(weights[name], shape, reference) : null;
    // The newer exporter keeps the exponent of GeM twice, as itself and as its inverse.
    if (expected === null || gradient === undefined || gradient.length === 1) continue;
    compared++;
    const difference = norm(gradient.map((value, index) => value - (expected[index] as number)));
    worst = Math.max(worst, difference / Math.max(norm(expected), ZERO_GRADIENT * largest));
  }
  return { worst, compared };
}

/** What the written file shares with the one it came from, in words; empty when it is all. */
function changes(before: ModelProto, after: ModelProto): string[] {
  const strings = (entries: readonly { key: string; value: string }[]) =>
    entries.map(({ key, value }) => `${key}=${value}`);
  const view = (model: ModelProto) => ({
    producer: [model.producerName, model.producerVersion, model.domain, model.docString],
    ir: String(model.irVersion),
    opsets: model.opsetImport.map(({ domain, version }) => `${domain} ${version}`),
    metadata: strings(model.metadataProps),
    'metadata of the graph': strings(model.graph?.metadataProps ?? []),
    nodes: model.graph?.node.map((node) => [node.name, node.opType, node.output, strings(node.metadataProps)]),
    signatures: [...(model.graph?.input ?? []), ...(model.graph?.output ?? [])].map((value) =>
      JSON.stringify(value, (_, inner) => (typeof inner === 'bigint' ? String(inner) : inner)),
    ),
    tensors: model.graph?.initializer
      .filter(({ name }) => !name.includes('#'))
      .map(({ name, dims, dataType, dataLocation }) => [name, dims.join(), dataType, dataLocation].join(' ')),
  });
  const [first, second] = [view(before), view(after)];
  return Object.keys(first).filter((key) => JSON.stringify(first[key as 'ir']) !== JSON.stringify(second[key as 'ir']));
}

interface Checked {
  model: string;
  inputs: Record<string, { shape: readonly number[]; type: string; data: number[] }>;
  vectors: number[];
}

const temporary = mkdtempSync(path.join(os.tmpdir(), 'backcompat-zoo-'));
const checks: Checked[] = [];

async function examine(entry: Entry): Promise<string[]> {
  const folder = path.join(zoo, entry.folder);
  const file = path.join(folder, 'model.onnx');
  const reference = await readReference(folder);
  const model = await readOnnxModel(file);
  const opset = model.opsetImport.find(({ domain }) => domain === '')?.version;

  const checkpoint = await openCheckpoint('zoo', { model: file, output: 'vectors' }, folder);
  await checkpoint.close();
  const exact = await createOnnxTrainer(spec(file, alongDirection));
  const { tensors } = await exact.state();
  const weights = Object.fromEntries(Object.entries(tensors).map(([name, { data }]) => [name, data]));
  const vectors = relativeDifference(
    await exact.embed({ count: 2, inputs: reference.inputs, fields: {} }),
    reference.vectors,
  );
  // Equal tensors of a fresh model cannot be told apart.
  const { worst, compared } = entry.fresh
    ? { worst: 0, compared: 0 }
    : await compareGradients(exact, weights, reference);
  const trained = exact.parameters.filter(({ isTrained }) => isTrained);
  const frozen = exact.parameters.filter(({ isTrained }) => !isTrained);
  await exact.close();

  const trainer = await createOnnxTrainer(spec(file, linearHead(checkpoint.dimension)));
  const batch = batchLike(reference.inputs);
  const losses: number[] = [];
  for (let step = 0; step <= STEPS; step++) losses.push((await trainer.step(batch, RATE)).loss);
  const own = await trainer.embed(batch);
  const saved = await trainer.save(path.join(temporary, entry.folder));
  await trainer.close();

  const session = await createSession(saved);
  const again = (await session.run(batch.inputs, ['vectors'])).vectors?.data as Float32Array;
  await session.release();
  const changed = changes(model, await readOnnxModel(saved));
  checks.push({
    model: saved,
    inputs: Object.fromEntries(
      Object.entries(batch.inputs).map(([name, { shape, data }]) => [
        name,
        { shape, type: data instanceof Float32Array ? 'float32' : 'int64', data: Array.from(data, Number) },
      ]),
    ),
    vectors: Array.from(own),
  });
  const count = (list: readonly { shape: readonly number[] }[]) =>
    list.reduce((sum, { shape }) => sum + shape.reduce((product, size) => product * size, 1), 0).toLocaleString('en');
  const isFalling = (losses.at(-1) as number) < (losses[0] as number);
  if (!isFalling || relativeDifference(again, own) > 1e-5 || vectors > 1e-4 || worst > 1e-3) process.exitCode = 1;
  return [
    `${entry.name}${entry.fresh ? ', fresh' : ''}`,
    entry.exporter,
    String(opset),
    String(model.graph?.node.length),
    `${count(trained)} / ${count(frozen)}`,
    vectors.toExponential(1),
    compared === 0 ? 'none' : `${worst.toExponential(1)} (${compared} of ${trained.length})`,
    `${losses[0]?.toFixed(3)} → ${losses.at(-1)?.toFixed(3)}`,
    `${changed.length === 0 ? 'kept' : `CHANGED ${changed.join(', ')}`}, ${relativeDifference(again, own).toExponential(1)}`,
  ];
}

const listing = path.join(zoo, 'zoo.json');
if (!existsSync(listing)) throw new Error('Make the zoo first: bench/reference/makeZoo.py says how.');
const entries = (JSON.parse(readFileSync(listing, 'utf8')) as Entry[]).filter(({ folder }) =>
  folder.includes(process.argv[2] ?? ''),
);
const head = [
  'model',
  'exporter',
  'opset',
  'nodes',
  'numbers trained / frozen',
  'vectors',
  'gradients',
  'loss',
  'written',
  'Python',
];
const rows: string[][] = [];
try {
  for (const entry of entries) {
    try {
      rows.push(await examine(entry));
      console.error(rows.at(-1)?.join(' | '));
    } catch (error) {
      process.exitCode = 1;
      console.error(`${entry.folder}: ${error instanceof Error ? error.message : String(error)}`);
      if ((error as { code?: string }).code === undefined) console.error((error as Error).stack);
    }
  }
  const list = path.join(temporary, 'checks.json');
  writeFileSync(list, JSON.stringify(checks));
  const script = path.join(process.env.BENCH_FOLDER ?? 'bench', 'zoo.py');
  const differences = JSON.parse(execFileSync(referencePython(), [script, list], { encoding: 'utf8' })) as number[];
  for (const [index, value] of differences.entries()) rows[index]?.push(value.toExponential(1));
  if (differences.some((value) => value > 1e-5)) process.exitCode = 1;
  console.log([head, head.map(() => '---'), ...rows].map((row) => `| ${row.join(' | ')} |`).join('\n'));
} finally {
  rmSync(temporary, { recursive: true, force: true });
}

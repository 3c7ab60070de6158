// One training step (forward, loss, reverse pass, optimiser) against PyTorch's, on networks that PyTorch exported.
//   node bench/run.mjs trainingStep [rounds] [threads] [networks, default all]
//   node bench/run.mjs trainingStep memory [steps] [networks]
import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { createRandom } from '../src/core/numeric/random.ts';
import { headForm, initialHead } from '../src/core/training/heads/head.ts';
import {
  createObjective,
  objectiveSettings,
  resolveOldSpace,
} from '../src/core/training/objectives/createObjective.ts';
import type { Objective } from '../src/core/training/objectives/objective.ts';
import { createOnnxTrainer } from '../src/core/training/onnxTrainer.ts';
import type { OptimizerSettings, Trainer, TrainingBatch } from '../src/core/training/trainer.ts';
import { Peer } from './support/peer.ts';
import { median, medianRatio, Series, timed } from './support/timing.ts';

const CLASSES = 10;
const DIMENSION = 64;
const sgd: OptimizerSettings = { name: 'sgd', weightDecay: 1e-4, momentum: 0.9, nesterov: false };
const adamw: OptimizerSettings = { name: 'adamw', weightDecay: 0.01, beta1: 0.9, beta2: 0.999, epsilon: 1e-8 };
const networks = [
  { name: 'conv', count: 32, optimizer: sgd, layouts: ['eager', 'channels_last'] },
  { name: 'resnet', count: 32, optimizer: sgd, layouts: ['eager', 'channels_last'] },
  { name: 'encoder', count: 16, optimizer: adamw, layouts: ['eager'] },
] as const;
type Network = (typeof networks)[number];

const [first, second, ...chosen] = process.argv.slice(2);
const chosenNetworks = () => networks.filter(({ name }) => chosen.length === 0 || chosen.includes(name));

const random = createRandom(0, 'trainingStep');
const normals = (length: number) => Float32Array.from({ length }, () => random.normal());

function batchOf({ name, count }: Network): TrainingBatch {
  const labels = { shape: [count], data: Int32Array.from({ length: count }, (_, i) => i % CLASSES) };
  const ids = () => BigInt64Array.from({ length: count * 64 }, () => BigInt(random.integer(1000)));
  const inputs: TrainingBatch['inputs'] =
    name === 'encoder'
      ? { ids: { shape: [count, 64], data: ids() } }
      : { images: { shape: [count, 3, 32, 32], data: normals(count * 3072) } };
  return { count, inputs, fields: { labels, oldLabels: labels } };
}

const classNames = Array.from({ length: CLASSES }, (_, k) => `class ${k}`);
const head = initialHead(headForm('linear'), classNames, DIMENSION, 0);
const independent = createObjective(objectiveSettings({ method: 'independent' }), { head, old: null });
const compatible = createObjective(objectiveSettings({ method: 'bct' }), {
  head,
  old: {
    space: resolveOldSpace(null, DIMENSION, DIMENSION),
    head: initialHead(headForm('nsoftmax'), classNames, DIMENSION, 1),
    statistics: null,
  },
});

function open({ name, optimizer }: Network, objective: Objective, threads: number): Promise<Trainer> {
  return createOnnxTrainer({
    start: { kind: 'file', file: path.join(folder, `${name}.onnx`), output: 'vectors' },
    trainable: 'all',
    objective,
    optimizer,
    clipNorm: null,
    threads,
    lowMemory: false,
  });
}

async function compare(peer: Peer, rounds: number, threads: number): Promise<void> {
  console.log(`${threads} threads, medians of ${rounds} interleaved rounds; ratios are medians of a round's ratio\n`);
  for (const network of chosenNetworks()) {
    const { name, layouts } = network;
    const trainers = {
      [name]: await open(network, independent, threads),
      [`${name}, with the influence loss`]: await open(network, compatible, threads),
    };
    const batch = batchOf(network);
    const series = new Series();
    for (let round = -2; round < rounds; round++) {
      for (const layout of layouts) {
        const timing = await peer.ask<{ loss: number }>(`${name} ${layout}`);
        if (round >= 0) series.note(`PyTorch, ${layout}`, timing);
      }
      for (const [label, trainer] of Object.entries(trainers)) {
        const timing = await timed(() => trainer.step(batch, name === 'encoder' ? 1e-4 : 1e-3));
        if (round >= 0) series.note(label, timing);
      }
    }
    const best = layouts
      .map((layout) => `PyTorch, ${layout}`)
      .reduce((a, b) => (median(series.seconds(b)) < median(series.seconds(a)) ? b : a));
    for (const label of series.names) {
      const [seconds, cpu] = [series.seconds(label), series.cpu(label)];
      console.log(
        `${label.padEnd(40)} ${(median(seconds) * 1000).toFixed(1).padStart(8)} ms  ${medianRatio(seconds, series.seconds(best)).toFixed(2).padStart(5)}` +
          `  least ${(Math.min(...seconds) * 1000).toFixed(1).padStart(8)} ms  ${(Math.min(...seconds) / Math.min(...series.seconds(best))).toFixed(2).padStart(5)}` +
          `  processor ${(Math.min(...cpu) * 1000).toFixed(1).padStart(8)} ms  ${(Math.min(...cpu) / Math.min(...series.cpu(best))).toFixed(2).padStart(5)}`,
      );
    }
    for (const trainer of Object.values(trainers)) await trainer.close();
    console.log('');
  }
}

/** Resident memory over many steps; a slope would be a leak. */
async function memory(steps: number, threads: number): Promise<void> {
  for (const network of chosenNetworks()) {
    const trainer = await open(network, independent, threads);
    const batch = batchOf(network);
    const sizes: number[] = [];
    for (let step = 0; step < steps; step++) {
      await trainer.step(batch, 1e-4);
      sizes.push(process.memoryUsage().rss / 1e6);
    }
    const [third, half] = [Math.floor(steps / 3), Math.floor(steps / 2)];
    const early = median(sizes.slice(third, half));
    const late = median(sizes.slice(-(half - third)));
    console.log(
      `${network.name}: ${early.toFixed(0)} MB around step ${Math.floor((third + half) / 2)}, ${late.toFixed(0)} MB at the end (${steps})`,
    );
    await trainer.close();
  }
}

const folder = mkdtempSync(path.join(os.tmpdir(), 'backcompat-trainingStep-'));
const isMemory = first === 'memory';
const threads = isMemory ? 2 : Number(second ?? 2);
const peer = new Peer('trainingStep.py', [folder, threads]);
try {
  await peer.ask('export');
  if (isMemory) await memory(Number(second ?? 500), threads);
  else await compare(peer, Number(first ?? 9), threads);
} finally {
  peer.end();
  rmSync(folder, { recursive: true, force: true });
}

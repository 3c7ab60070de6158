import { BackcompatError } from '../../src/core/contract/errors.ts';
import { createRandom } from '../../src/core/numeric/random.ts';
import type { BatchSource } from '../../src/core/training/data/batchSource.ts';
import type { StepResult, Trainer, TrainerState, TrainingBatch } from '../../src/core/training/trainer.ts';

const INPUTS = 4;
const CLASSES = 3;

/**
 * The smallest thing that trains: softmax regression of 4 numbers to 3 classes in plain JavaScript, SGD with momentum 0.9.
 * Weights and velocity are its state. With `poisonAt` the loss of that step (from 1) is NaN.
 */
export function linearTrainer(options: { poisonAt?: number; stepMs?: number } = {}): Trainer {
  const weights = new Float32Array(INPUTS * CLASSES);
  const velocity = new Float32Array(weights.length);
  let step = 0;
  function logits(batch: TrainingBatch): Float64Array {
    const x = batch.inputs.x?.data as Float32Array;
    const out = new Float64Array(batch.count * CLASSES);
    for (let i = 0; i < batch.count; i++) {
      for (let c = 0; c < CLASSES; c++) {
        for (let k = 0; k < INPUTS; k++)
          out[i * CLASSES + c] =
            (out[i * CLASSES + c] as number) + (x[i * INPUTS + k] as number) * (weights[k * CLASSES + c] as number);
      }
    }
    return out;
  }
  function lossAndGradient(batch: TrainingBatch): { loss: number; gradient: Float64Array } {
    const x = batch.inputs.x?.data as Float32Array;
    const labels = batch.fields.labels?.data as Int32Array;
    const scores = logits(batch);
    const gradient = new Float64Array(weights.length);
    let loss = 0;
    for (let i = 0; i < batch.count; i++) {
      const row = scores.subarray(i * CLASSES, (i + 1) * CLASSES);
      const largest = Math.max(...row);
      const sum = row.reduce((total, value) => total + Math.exp(value - largest), 0);
      loss -= ((row[labels[i] as number] as number) - largest - Math.log(sum)) / batch.count;
      for (let c = 0; c < CLASSES; c++) {
        const error = Math.exp((row[c] as number) - largest) / sum - (labels[i] === c ? 1 : 0);
        for (let k = 0; k < INPUTS; k++)
          gradient[k * CLASSES + c] =
            (gradient[k * CLASSES + c] as number) + (error * (x[i * INPUTS + k] as number)) / batch.count;
      }
    }
    return { loss, gradient };
  }
  const trainer: Trainer = {
    engine: 'onnx',
    dimension: CLASSES,
    inputs: [{ name: 'x', type: 'float32', shape: [null, INPUTS] }],
    parameters: [{ name: 'weights', shape: [INPUTS, CLASSES], isTrained: true, reason: null }],
    notes: [],
    async step(batch, learningRate): Promise<StepResult> {
      if (options.stepMs) await new Promise((resolve) => setTimeout(resolve, options.stepMs));
      const { loss, gradient } = lossAndGradient(batch);
      for (let i = 0; i < weights.length; i++) {
        velocity[i] = 0.9 * (velocity[i] as number) + (gradient[i] as number);
        weights[i] = (weights[i] as number) - learningRate * (velocity[i] as number);
      }
      step++;
      const isPoisoned = step === options.poisonAt;
      return {
        loss: isPoisoned ? Number.NaN : loss,
        terms: { classification: isPoisoned ? Number.NaN : loss },
        gradientNorm: Math.hypot(...gradient),
        notFinite: isPoisoned ? 'conv1.weight' : null,
      };
    },
    async gradients(batch) {
      const { loss, gradient } = lossAndGradient(batch);
      return { loss, gradients: { weights: Float32Array.from(gradient) } };
    },
    async embed(batch) {
      return Float32Array.from(logits(batch));
    },
    async state(): Promise<TrainerState> {
      const shape = [INPUTS, CLASSES];
      return {
        step,
        tensors: { weights: { shape, data: weights.slice() }, 'weights.velocity': { shape, data: velocity.slice() } },
      };
    },
    async restore(state) {
      const { weights: w, 'weights.velocity': v } = state.tensors;
      if (!w || !v) throw new BackcompatError('bad-file', 'other tensors');
      weights.set(w.data);
      velocity.set(v.data);
      step = state.step;
    },
    objectiveParameters: async () => ({}),
    save: async () => {
      throw new Error('not saved here');
    },
    close: async () => undefined,
  };
  return trainer;
}

/** Seeded points around three centres, five items a batch: a function of epoch and position. */
export function pointBatches(stepsPerEpoch: number, seed = 0): Pick<BatchSource, 'batchesPerEpoch' | 'batches'> {
  return {
    batchesPerEpoch: stepsPerEpoch,
    async *batches(epoch, position) {
      for (let at = position; at < stepsPerEpoch; at++) {
        const random = createRandom(seed, `points ${epoch} ${at}`);
        const count = 5;
        const labels = Int32Array.from({ length: count }, () => random.integer(CLASSES));
        const x = new Float32Array(count * INPUTS);
        for (let i = 0; i < count; i++) {
          for (let k = 0; k < INPUTS; k++) x[i * INPUTS + k] = random.normal() + (k === labels[i] ? 2 : 0);
        }
        yield {
          count,
          inputs: { x: { shape: [count, INPUTS], data: x } },
          fields: { labels: { shape: [count], data: labels } },
        };
      }
    },
  };
}

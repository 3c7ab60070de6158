import type { Scalar, Tensor, Variable } from '@tensorflow/tfjs-core';
import { BackcompatError } from '../contract/errors.ts';
import { tfjsOperations } from '../engine/tfjsOperations.ts';
import { type LayersNetwork, openLayersNetwork } from '../models/trainable/layersNetwork.ts';
import type { BatchFields } from './objectives/objective.ts';
import { type OptimizedWeight, optimizedWeight } from './optimizer.ts';
import { type Gradients, restoreState, stateOf, stepWeights } from './trainedWeights.ts';
import type {
  CreateTrainer,
  StepResult,
  Trainer,
  TrainerSpec,
  TrainerState,
  TrainingBatch,
  TrainingTensor,
} from './trainer.ts';

/**
 * Trains a LayersModel in `@tensorflow/tfjs-node`: forward and reverse pass are TensorFlow's, the loss is the objective's
 * over the same vocabulary as in ONNX Runtime, and the optimiser is the same code. Normalisations keep their
 * statistics and dropout is off, as in the ONNX engine. Of its process one trainer counts `threads`, the first.
 */
export const createTfjsTrainer: CreateTrainer = async (spec) => {
  const { start } = spec;
  if (start.kind === 'builtin') {
    throw new BackcompatError('bad-model', `The built-in network ${start.name} is not one of TensorFlow.js.`, {
      remedy: 'Train it with the engine "onnx".',
    });
  }
  const network = await openLayersNetwork(start.file, start.output, spec.trainable, spec.threads);
  try {
    return new TfjsTrainer(network, spec);
  } catch (error) {
    network.close();
    throw error;
  }
};

/** A weight that steps change: its values here, and the variable that TensorFlow computes with. */
interface TrainedWeight {
  readonly optimized: OptimizedWeight;
  readonly variable: Variable;
  /** Its name in the objective; null for one of the model. */
  readonly ofObjective: string | null;
}

/** What one forward and reverse pass gives. */
interface Pass {
  loss: number;
  terms: Record<string, number>;
  gradients: Gradients;
}

class TfjsTrainer implements Trainer {
  readonly engine = 'tfjs';
  readonly dimension: number;
  readonly inputs: Trainer['inputs'];
  readonly parameters: Trainer['parameters'];
  readonly notes: readonly string[];
  readonly #network: LayersNetwork;
  readonly #spec: TrainerSpec;
  readonly #weights: readonly TrainedWeight[];
  /** Of the objective, by name; those that are not trained too. */
  readonly #objective: Readonly<Record<string, Variable>>;
  #step = 0;

  constructor(network: LayersNetwork, spec: TrainerSpec) {
    const { core } = network.runtime;
    const { optimizer, objective } = spec;
    this.#network = network;
    this.#spec = spec;
    this.dimension = network.dimension;
    this.inputs = network.inputs;
    this.notes = network.notes;
    const trained = network.weights.filter(({ frozen }) => frozen === null);
    const ofModel = trained.map(({ name, variable }) => {
      const data = variable.dataSync().slice() as Float32Array;
      return {
        optimized: optimizedWeight(optimizer, { name, shape: variable.shape, data }),
        variable,
        ofObjective: null,
      };
    });
    this.#objective = Object.fromEntries(
      objective.parameters.map(({ name, shape, data, isTrained }) => [
        name,
        core.tidy(() => core.variable(core.tensor(data.slice(), [...shape]), isTrained)),
      ]),
    );
    const names = new Set(trained.map(({ name }) => name));
    const ofObjective = objective.parameters
      .filter(({ isTrained }) => isTrained)
      .map((parameter) => {
        // A model may have a weight of that name.
        const name = names.has(parameter.name) ? `objective/${parameter.name}` : parameter.name;
        const { shape, data } = parameter;
        return {
          optimized: optimizedWeight(optimizer, { name, shape, data: data.slice() }),
          variable: this.#objective[parameter.name] as Variable,
          ofObjective: parameter.name,
        };
      });
    this.#weights = [...ofModel, ...ofObjective];
    this.parameters = [
      ...this.#weights.map(({ optimized: { name, shape } }) => ({ name, shape, isTrained: true, reason: null })),
      ...network.weights
        .filter(({ frozen }) => frozen !== null)
        .map(({ name, variable, frozen }) => ({ name, shape: variable.shape, isTrained: false, reason: frozen })),
    ];
  }

  async step(batch: TrainingBatch, learningRate: number): Promise<StepResult> {
    const { gradients, ...pass } = this.#pass(batch);
    const optimized = this.#optimized();
    const { isMade, ...result } = stepWeights(optimized, gradients, pass, this.#spec, learningRate, this.#step + 1);
    if (isMade) {
      this.#step++;
      this.#assign();
    }
    return result;
  }

  async gradients(batch: TrainingBatch): Promise<{ loss: number; gradients: Record<string, Float32Array> }> {
    const { loss, gradients } = this.#pass(batch);
    const named = this.#weights.flatMap(({ optimized: { name } }, i) => {
      const values = gradients[i];
      return values ? [[name, values] as const] : [];
    });
    return { loss, gradients: Object.fromEntries(named) };
  }

  async embed(batch: TrainingBatch): Promise<Float32Array> {
    const { core } = this.#network.runtime;
    return core.tidy(() => this.#network.forward(this.#feeds(batch)).dataSync() as Float32Array);
  }

  async state(): Promise<TrainerState> {
    return stateOf(this.#optimized(), this.#step);
  }

  async restore(state: TrainerState): Promise<void> {
    restoreState(this.#optimized(), state);
    this.#step = state.step;
    this.#assign();
  }

  async objectiveParameters(): Promise<Record<string, Float32Array>> {
    const present = new Map(this.#weights.map(({ ofObjective, optimized }) => [ofObjective, optimized.data]));
    return Object.fromEntries(
      this.#spec.objective.parameters.map(({ name, data }) => [name, (present.get(name) ?? data).slice()]),
    );
  }

  save(folder: string): Promise<string> {
    const ofModel = this.#weights.filter(({ ofObjective }) => ofObjective === null);
    return this.#network.write(folder, new Map(ofModel.map(({ optimized: { name, data } }) => [name, data])));
  }

  async close(): Promise<void> {
    this.#network.runtime.core.dispose(Object.values(this.#objective));
    this.#network.close();
  }

  #pass(batch: TrainingBatch): Pass {
    const { core } = this.#network.runtime;
    const { objective } = this.#spec;
    const variables = this.#weights.map(({ variable }) => variable);
    const modelParameters = Object.fromEntries(
      this.#weights
        .filter(({ ofObjective }) => ofObjective === null)
        .map(({ optimized: { name }, variable }) => [name, variable]),
    );
    let terms: Record<string, number> = {};
    let gradients: Gradients = [];
    try {
      core.tidy(() => {
        const { grads } = core.variableGrads(() => {
          const embedding = this.#network.forward(this.#feeds(batch));
          const step = { embedding, fields: this.#fields(batch), parameters: this.#objective, modelParameters };
          const values: Record<string, Tensor> = objective.terms<Tensor>(tfjsOperations(core), step);
          terms = Object.fromEntries(
            Object.entries(values).map(([name, value]) => [name, value.dataSync()[0] as number]),
          );
          return Object.values(values).reduce((sum, value) => core.add(sum, value)) as Scalar;
        }, variables);
        gradients = variables.map(({ name }) => (grads[name]?.dataSync() as Float32Array | undefined) ?? null);
      });
    } catch (cause) {
      if (cause instanceof BackcompatError) throw cause;
      throw this.#cannotTrain(cause);
    }
    return { loss: Object.values(terms).reduce((sum, term) => sum + term, 0), terms, gradients };
  }

  #cannotTrain(cause: unknown): BackcompatError {
    const { file } = this.#network;
    const layer = this.#network.layerWithoutGradient();
    const [reason] = (cause as Error).message.split('\n');
    return new BackcompatError(
      'bad-model',
      layer === null
        ? `${file} cannot be trained by TensorFlow.js: ${reason}`
        : `${file} cannot be trained through its layer ${JSON.stringify(layer)}: TensorFlow.js says: ${reason}`,
      {
        place: { file },
        remedy:
          'Train only what comes behind it, with "trainable": "embedding" or patterns of names, or train the ONNX form.',
        cause,
      },
    );
  }

  #feeds(batch: TrainingBatch): Record<string, Tensor> {
    return Object.fromEntries(
      this.inputs.map(({ name, type }) => [name, this.#tensor(batch.inputs[name], name, type as 'float32' | 'int32')]),
    );
  }

  #fields(batch: TrainingBatch): Record<keyof BatchFields, Tensor> {
    const given = this.#spec.objective.fields.map((name) => {
      const values = batch.fields[name];
      return [name, this.#tensor(values, name, values?.data instanceof Float32Array ? 'float32' : 'int32')];
    });
    return Object.fromEntries(given) as Record<keyof BatchFields, Tensor>;
  }

  #tensor(values: TrainingTensor | undefined, name: string, type: 'float32' | 'int32'): Tensor {
    if (values === undefined) throw new BackcompatError('internal', `The batch has no ${name}.`);
    const { data, shape } = values;
    const plain = data instanceof BigInt64Array ? Int32Array.from(data, Number) : data;
    const { core } = this.#network.runtime;
    return core.tensor(
      type === 'float32' && plain instanceof Int32Array ? Float32Array.from(plain) : plain,
      [...shape],
      type,
    );
  }

  /** Gives TensorFlow the present values: as copies, for it goes on reading the arrays that it is given. */
  #assign(): void {
    const { core } = this.#network.runtime;
    core.tidy(() => {
      for (const { variable, optimized } of this.#weights) {
        variable.assign(core.tensor(optimized.data.slice(), variable.shape));
      }
    });
  }

  #optimized(): OptimizedWeight[] {
    return this.#weights.map(({ optimized }) => optimized);
  }
}

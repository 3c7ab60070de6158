import { create } from '@bufbuild/protobuf';
import type { GraphBuilder, Value } from '../../../engine/graph.ts';
import { TensorProto_DataType, TensorProtoSchema } from '../../../engine/proto/onnx_pb.js';
import { createRandom } from '../../../numeric/random.ts';

/** Makes the named weights of a network that starts from nothing; each has a random stream of its own. */
export class InitialWeights {
  readonly #graph: GraphBuilder;
  readonly #seed: number;

  constructor(graph: GraphBuilder, seed: number) {
    this.#graph = graph;
    this.#seed = seed;
  }

  /** Normal numbers of that standard deviation; 0 is all zeros. */
  normal(name: string, shape: readonly number[], deviation: number): Value {
    const random = createRandom(this.#seed, `weights/${name}`);
    const count = shape.reduce((product, size) => product * size, 1);
    const data = new Float32Array(count);
    if (deviation !== 0) for (let i = 0; i < count; i++) data[i] = deviation * random.normal();
    return this.#graph.adoptConstant(
      create(TensorProtoSchema, {
        name,
        dims: shape.map(BigInt),
        dataType: TensorProto_DataType.FLOAT,
        rawData: new Uint8Array(data.buffer),
      }),
    );
  }

  zeros(name: string, shape: readonly number[]): Value {
    return this.normal(name, shape, 0);
  }
}

/** Keeps the variance through a layer with a ReLU behind it ("Delving Deep into Rectifiers", He et al., ICCV 2015, eq. 10). */
export function heDeviation(fanIn: number): number {
  return Math.sqrt(2 / fanIn);
}

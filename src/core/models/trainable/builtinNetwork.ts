import { fromBinary } from '@bufbuild/protobuf';
import { ModelProtoSchema } from '../../engine/proto/onnx_pb.js';
import { convnet } from './builtin/convnet.ts';
import { resnet18 } from './builtin/resnet18.ts';
import type { TrainableChoice } from './chooseWeights.ts';
import { makeTrainable } from './makeTrainable.ts';
import { startInMemory } from './startModel.ts';
import type { TrainableGraph } from './trainableGraph.ts';

/** Images a built-in network is made for, and its start. */
export interface BuiltinNetwork {
  readonly name: 'convnet' | 'resnet18';
  readonly dimension: number;
  readonly channels: number;
  readonly height: number;
  readonly width: number;
  /** Of the initial weights. */
  readonly seed: number;
}

const networks = { convnet, resnet18 };

/**
 * A network that needs no file: input `images` [batch, channels, height, width], output `embedding` [batch, dimension] as the last
 * linear layer gives it (not normalised; audits compare by cosine).
 * Equal seeds give equal weights.
 * @param trainable see `openTrainable`
 */
export async function builtinNetwork(network: BuiltinNetwork, trainable: TrainableChoice): Promise<TrainableGraph> {
  const model = fromBinary(ModelProtoSchema, networks[network.name](network));
  return makeTrainable(startInMemory(`builtin:${network.name}`, model), 'embedding', trainable);
}

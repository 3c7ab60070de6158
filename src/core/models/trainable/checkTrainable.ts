import { type ModelProto, TensorProto_DataType } from '../../engine/proto/onnx_pb.js';
import { signatureOf } from '../onnxFile.ts';
import { OLDEST_OPSET } from './rewrite/olderOpsets.ts';
import type { StartModel } from './startModel.ts';
import { nodeText, refused, type Subgraph } from './subgraph.ts';

const quantised =
  /^(QLinear|QGemm|QAttention|MatMulInteger|ConvInteger|DynamicQuantize|QuantizeLinear|DequantizeLinear|MatMulNBits|MatMulBnb4)/;
const halfTypes = new Map<number, string>([
  [TensorProto_DataType.FLOAT16, 'float16'],
  [TensorProto_DataType.BFLOAT16, 'bfloat16'],
]);

/** Version of the standard operators that a model uses. */
export function opsetOf({ opsetImport }: ModelProto): number {
  const own = opsetImport.find(({ domain }) => domain === '' || domain === 'ai.onnx');
  return Number(own?.version ?? 1);
}

/**
 * Refuses what cannot be trained as a whole, before anything is read or run.
 * @throws BackcompatError `bad-model`: quantised or half-precision weights, a fixed batch, inputs of other types, a very old opset
 */
export function checkTrainable({ file, model }: StartModel, { nodes, tensors, inputs }: Subgraph): void {
  const opset = opsetOf(model);
  if (opset < OLDEST_OPSET) {
    throw refused(file, `it uses opset ${opset}, older than ${OLDEST_OPSET}`, 'Export it with opset 18 or later.');
  }
  const node = nodes.find(({ opType }) => quantised.test(opType));
  if (node !== undefined) {
    throw refused(
      file,
      `it is quantised (${nodeText(node)})`,
      'Train the model it was made from, in float32, and quantise the result.',
    );
  }
  for (const [name, { dataType, dims }] of tensors) {
    const half = halfTypes.get(dataType);
    if (half !== undefined && dims.length > 0) {
      throw refused(
        file,
        `the weight ${JSON.stringify(name)} has half precision (${half})`,
        'Export the model in float32, and convert the result.',
      );
    }
    if (dataType === TensorProto_DataType.DOUBLE && dims.length > 1) {
      throw refused(file, `the weight ${JSON.stringify(name)} is of float64 numbers`, 'Export the model in float32.');
    }
  }
  for (const { name, type, shape } of inputs.map(signatureOf)) {
    if (!/^(float32|int32|int64)$/.test(type)) {
      throw refused(
        file,
        `its input ${JSON.stringify(name)} is of type ${type}`,
        'Export the model with inputs of float32, int64 or int32.',
      );
    }
    const [batch] = shape;
    if (typeof batch === 'number') {
      throw refused(
        file,
        `it takes exactly ${batch} item${batch === 1 ? '' : 's'} a run`,
        'Export it with a dynamic batch: dynamic_shapes of torch.onnx.export (dynamic_axes of the older exporter).',
      );
    }
  }
}

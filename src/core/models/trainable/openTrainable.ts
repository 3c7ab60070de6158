import type { TrainableChoice } from './chooseWeights.ts';
import { makeTrainable } from './makeTrainable.ts';
import { openStart } from './startModel.ts';
import type { TokenPooling } from './tokenPooling.ts';
import type { TrainableGraph } from './trainableGraph.ts';

/**
 * Makes an ONNX file ready for training; close the result when done. Only what leads to `output` is taken, operators of opset 9 and
 * later are brought to those of 21 (a later opset stays), BatchNormalization to its inference form, Dropout and Identity go,
 * Attention is taken apart. The graph is run before and after, which gives the facts and must give the same vectors.
 *
 * Weights are the float initialisers in the weight slots of layers (`findWeights`); a tensor that an exporter merged from equal
 * ones is untied (`untie`). Weights are held in memory, in float32.
 * @param file absolute path
 * @param output name of the output that is the embedding, [n, dimension]
 * @param trainable `all`; `embedding`: the last linear layer and what is behind it; or patterns over the names of weights, of their
 *   nodes and of the PyTorch modules that these came from (`*` any characters, `?` one; what follows a "." or "/" may be left out)
 * @param pooling how an output of token vectors [n, tokens, d] becomes one vector, as an audit pools it; the written file keeps its output
 * @throws BackcompatError `not-found`, `bad-file` (not ONNX, weights missing or of another size), `bad-model` (a fixed batch, quantised
 *   or half-precision weights, an operator that cannot be brought to its form, a model that does not run, no vector an item),
 *   `bad-config` (a pattern that matches nothing)
 */
export async function openTrainable(
  file: string,
  output: string,
  trainable: TrainableChoice,
  pooling: TokenPooling | null = null,
): Promise<TrainableGraph> {
  return makeTrainable(await openStart(file), output, trainable, pooling);
}

import path from 'node:path';
import { BackcompatError } from '../contract/errors.ts';
import { bytesText } from '../contract/format.ts';
import type { Signature } from '../engine/session.ts';
import { INSTALL_COMMAND, tfjsRuntime } from '../engine/tfjsRuntime.ts';
import { resolveImageModel } from './imageModel.ts';
import type { Inspection } from './inspection.ts';
import { loadModel } from './loadedModel.ts';
import { imageSettings, openTextModel } from './modelCheckpoint.ts';
import { readOnnxFile, signatureText } from './onnxFile.ts';
import { takesTexts } from './textModel.ts';
import { readTfjsFile } from './tfjsFile.ts';
import { surveyTraining } from './trainable/surveyTraining.ts';

/** Says what an ONNX file declares; it is not run. */
export async function inspectOnnx(inspection: Inspection): Promise<void> {
  const file = await readOnnxFile(inspection.path);
  inspection.facts.push({ name: 'opset', value: file.opsets.join(', ') });
  if (file.producer !== '') inspection.facts.push({ name: 'producer', value: file.producer });
  describeSignatures(inspection, file);
  inspection.facts.push({ name: 'nodes', value: String(file.nodes) });
  inspection.facts.push({ name: 'parameters', value: file.parameters.toLocaleString('en') });
  for (const { location, bytes } of file.externalData) {
    inspection.facts.push({ name: 'external data', value: `${location}, ${bytesText(bytes)}` });
  }
  await describeTraining(inspection, await describeUse(inspection, file));
}

/** How many and which weights a training would change. */
async function describeTraining(inspection: Inspection, output: string): Promise<void> {
  try {
    const survey = await surveyTraining(path.resolve(inspection.path), output);
    inspection.facts.push({
      name: 'trainable',
      value: `${survey.numbers.toLocaleString('en')} in ${counted(survey.weights, 'weight')}`,
    });
    for (const reason of new Set(survey.frozen.map((tensor) => tensor.reason))) {
      const count = survey.frozen.filter((tensor) => tensor.reason === reason).length;
      inspection.facts.push({ name: 'frozen', value: `${counted(count, 'tensor')}: ${reason}` });
    }
    inspection.notes.push(...survey.notes);
    const [first, ...others] = survey.unsupported;
    if (first === undefined) {
      inspection.training = { possible: survey.weights > 0, reason: null, remedy: null };
      return;
    }
    const more = others.length === 0 ? '' : `, and through ${others.length} more`;
    inspection.training = {
      possible: survey.weights > 0,
      reason: `no gradient flows through the node ${JSON.stringify(first.name)} (${first.operator})${more}; ${first.reason}.`,
      remedy: survey.weights > 0 ? 'Name what is behind it in "trainable", or use "trainable": "embedding".' : null,
    };
  } catch (error) {
    if (!(error instanceof BackcompatError) || error.code === 'internal') throw error;
    inspection.training = { possible: false, reason: error.message, remedy: error.remedy };
  }
}

function counted(count: number, what: string): string {
  return `${count.toLocaleString('en')} ${what}${count === 1 ? '' : 's'}`;
}

/** Says what a TensorFlow.js model declares; loads it, because its file alone does not tell the shapes. */
export async function inspectTfjs(inspection: Inspection): Promise<void> {
  const file = await readTfjsFile(inspection.path);
  inspection.format = file.kind === 'tfjs-graph' ? 'TensorFlow.js GraphModel' : 'TensorFlow.js LayersModel';
  if (file.producer !== '') inspection.facts.push({ name: 'producer', value: file.producer });
  inspection.audit.as = 'checkpoint';
  const { session, notes } = await loadModel(path.resolve(inspection.path), null);
  try {
    describeSignatures(inspection, session);
    inspection.facts.push({ name: 'parameters', value: file.parameters.toLocaleString('en') });
    const count = file.shards.length;
    inspection.facts.push({
      name: 'weights',
      value: `${bytesText(file.weightBytes)} in ${count} file${count === 1 ? '' : 's'}`,
    });
    inspection.notes.push(...notes);
    if (file.kind === 'tfjs-graph') {
      inspection.notes.push('A GraphModel is frozen: its embedding can be adapted, but the model cannot be trained.');
    } else if ((await tfjsRuntime()).native === null) {
      inspection.notes.push(`Training it needs the native runtime: ${INSTALL_COMMAND}`);
    }
    await describeUse(inspection, session);
  } finally {
    await session.release();
  }
}

interface Signatures {
  readonly inputs: readonly Signature[];
  readonly outputs: readonly Signature[];
}

function describeSignatures(inspection: Inspection, { inputs, outputs }: Signatures): void {
  for (const input of inputs) inspection.facts.push({ name: 'input', value: signatureText(input) });
  for (const output of outputs) inspection.facts.push({ name: 'output', value: signatureText(output) });
}

/**
 * How an audit would feed the model, with what lies beside it.
 * @returns name of the output that is the embedding
 */
async function describeUse(inspection: Inspection, { inputs, outputs }: Signatures): Promise<string> {
  let output: string;
  const batch = inputs[0]?.shape[0];
  inspection.facts.push({ name: 'batch', value: typeof batch === 'number' ? `fixed at ${batch}` : 'dynamic' });
  inspection.audit.as = 'checkpoint';
  const file = path.resolve(inspection.path);
  if (takesTexts(inputs)) {
    const { model, tokenizer, notes } = await openTextModel({ inputs, outputs }, {}, path.dirname(file), file);
    output = model.output;
    describeEmbedding(inspection, outputs, output);
    inspection.facts.push(
      { name: 'texts', value: `at most ${tokenizer.maxTokens} tokens` },
      { name: 'tokenizer', value: tokenizer.files[0] as string },
    );
    if (model.pooling !== null) inspection.facts.push({ name: 'pooling', value: model.pooling });
    inspection.notes.push(...notes);
  } else {
    const settings = await imageSettings({}, path.dirname(file), file);
    const model = resolveImageModel(inputs, outputs, { file: inspection.path, ...settings });
    const { height, width, channels, layout } = model.preprocessing;
    output = model.output;
    describeEmbedding(inspection, outputs, output);
    const kind = channels === 1 ? 'grey' : 'RGB';
    inspection.facts.push({ name: 'images', value: `${height} x ${width}, ${kind} (${layout.toUpperCase()})` });
    inspection.notes.push(...model.notes);
  }
  inspection.audit = { possible: true, as: 'checkpoint', reason: null, remedy: null };
  return output;
}

function describeEmbedding(inspection: Inspection, outputs: readonly Signature[], name: string): void {
  const shape = outputs.find((output) => output.name === name)?.shape ?? [];
  // [batch, d] with axes of 1 behind, or [batch, tokens, d].
  const sizes = shape.slice(1).filter((size) => size !== 1);
  const dimension = sizes.at(-1);
  inspection.dimension = typeof dimension === 'number' ? dimension : null;
  const length = inspection.dimension === null ? '' : `, ${inspection.dimension}-d`;
  inspection.facts.push({ name: 'embedding', value: `${name}${length}` });
}

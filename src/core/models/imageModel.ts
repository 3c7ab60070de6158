import { closest } from '../config/closest.ts';
import { BackcompatError } from '../contract/errors.ts';
import type { Preprocessing } from '../data/decodeImage.ts';
import type { Signature } from '../engine/session.ts';
import { signatureText } from './onnxFile.ts';
import type { ImageSettings } from './preprocessorConfig.ts';

/** 2,048 x 2,048: an encoder of images that size exists, and 8 probe items of it take 400 MB. */
const MAX_INPUT_PIXELS = 2 ** 22;
/** Every run takes so many items, also that of one: no exporter's example is larger. */
export const MAX_FIXED_BATCH = 1024;
/** 64 items of 1,024 x 1,024: 800 MB of colours. */
const MAX_RUN_PIXELS = 2 ** 26;

/** How to feed images to a model and which output to take. */
export interface ImageModel {
  input: string;
  inputType: 'float32' | 'float16';
  output: string;
  /** Items that every run must have; null: any number. */
  fixedBatch: number | null;
  preprocessing: Preprocessing;
  /** What was assumed because nobody said it. */
  notes: string[];
}

export interface ImageModelChoice {
  /** For messages. */
  file: string;
  output?: string;
  preprocess?: ImageSettings;
  /** Where `preprocess` was read; absent: in the config. */
  preprocessFile?: string;
}

/**
 * Decides from a model's signature and the config how images go in and the embedding comes out.
 * @throws BackcompatError `bad-model` naming what to add to the config
 */
export function resolveImageModel(
  inputs: readonly Signature[],
  outputs: readonly Signature[],
  choice: ImageModelChoice,
): ImageModel {
  const input = imageInput(inputs, choice.file);
  const notes: string[] = [];
  if (choice.preprocessFile !== undefined) notes.push(`Images are prepared as ${choice.preprocessFile} says.`);
  const [batch] = input.shape;
  const fixedBatch = typeof batch === 'number' ? batch : null;
  if (fixedBatch !== null) {
    if (fixedBatch > MAX_FIXED_BATCH) throw tooManyItems(choice.file, fixedBatch);
    notes.push(
      `The model takes exactly ${fixedBatch} item${fixedBatch > 1 ? 's' : ''} a run (exported without a dynamic batch).`,
    );
  }
  return {
    input: input.name,
    inputType: input.type as 'float32' | 'float16',
    output: embeddingOutput(outputs, choice),
    fixedBatch,
    preprocessing: resolvePreprocessing(input, choice, notes),
    notes,
  };
}

function bad(file: string, message: string, remedy: string): BackcompatError {
  return new BackcompatError('bad-model', `${file}: ${message}`, { place: { file }, remedy });
}

export function tooManyItems(file: string, items: number): BackcompatError {
  const what = `the model takes exactly ${items} items a run, more than ${MAX_FIXED_BATCH}.`;
  return bad(file, what, 'Export it with a dynamic batch.');
}

export function listed(signatures: readonly Signature[]): string {
  return signatures.length === 0 ? 'nothing' : signatures.map(signatureText).join('; ');
}

function imageInput(inputs: readonly Signature[], file: string): Signature {
  const [input] = inputs;
  if (input === undefined || inputs.length > 1) {
    throw bad(
      file,
      `the model takes ${listed(inputs)}; a model with one image input is needed.`,
      'Export the image encoder alone.',
    );
  }
  const isFloat = input.type === 'float32' || input.type === 'float16';
  if (!isFloat || input.shape.length !== 4) {
    throw bad(
      file,
      `the model takes ${listed(inputs)}; a float image [batch, channels, height, width] is needed.`,
      isFloat ? 'Export the image encoder alone.' : 'Export it with a float input, without the decoding steps.',
    );
  }
  return input;
}

/** The output that the config names; null when it names none. @throws BackcompatError `bad-model` when there is none such */
export function namedOutput(
  outputs: readonly Signature[],
  { file, output }: Pick<ImageModelChoice, 'file' | 'output'>,
): Signature | null {
  if (output === undefined) return null;
  const found = outputs.find(({ name }) => name === output);
  if (found !== undefined) return found;
  const suggestion = closest(
    output,
    outputs.map(({ name }) => name),
  );
  throw bad(
    file,
    `the model has no output ${JSON.stringify(output)}; it has ${listed(outputs)}.`,
    suggestion ? `Did you mean ${JSON.stringify(suggestion)}?` : 'Name one of them as "output".',
  );
}

function embeddingOutput(outputs: readonly Signature[], choice: ImageModelChoice): string {
  const { file } = choice;
  const named = namedOutput(outputs, choice);
  if (named !== null) return named.name;
  const candidates = outputs.filter(isEmbedding);
  const [only] = candidates;
  if (only !== undefined && candidates.length === 1) return only.name;
  throw bad(
    file,
    only === undefined
      ? `none of the outputs is one vector an item; the model gives ${listed(outputs)}.`
      : `several outputs could be the embedding: ${listed(candidates)}.`,
    only === undefined
      ? 'Export it with the embedding [batch, dimension] as an output.'
      : `Choose one in the config: "output": ${JSON.stringify(only.name)}.`,
  );
}

/** [batch, d], also with axes of 1 behind; a shape that is not declared may be one. */
export function isEmbedding({ type, shape }: Signature): boolean {
  if (!/^float(16|32|64)$/.test(type)) return false;
  return shape.length === 0 || (shape.length >= 2 && shape.slice(2).every((size) => size === 1));
}

function resolvePreprocessing(
  input: Signature,
  { file, preprocess, preprocessFile }: ImageModelChoice,
  notes: string[],
): Preprocessing {
  const who = preprocessFile ?? 'the config';
  const [, one, two, three] = input.shape;
  const isChannels = (size: unknown): boolean => size === 1 || size === 3;
  // TensorFlow's exports have the channels last.
  const layout = isChannels(three) && !isChannels(one) ? 'nhwc' : 'nchw';
  const [channelSize, heightSize, widthSize] = layout === 'nhwc' ? [three, one, two] : [one, two, three];

  const pick = (given: number | undefined, declared: unknown, what: string, key: string): number => {
    const fixed = typeof declared === 'number' ? declared : undefined;
    if (given !== undefined && fixed !== undefined && given !== fixed) {
      throw bad(
        file,
        `${who} says ${what} ${given}, the model takes ${fixed} (${signatureText(input)}).`,
        `Correct "preprocess": { ${key} }.`,
      );
    }
    const value = given ?? fixed;
    if (value === undefined) {
      throw bad(
        file,
        `the model leaves its ${what} open (${signatureText(input)}) and ${who} does not say it.`,
        `Add "preprocess": { ${key} } to the checkpoint.`,
      );
    }
    return value;
  };
  const height = pick(preprocess?.size?.[0], heightSize, 'height', '"size": [height, width]');
  const width = pick(preprocess?.size?.[1], widthSize, 'width', '"size": [height, width]');
  const [batch] = input.shape;
  if (height * width > MAX_INPUT_PIXELS || height * width * (typeof batch === 'number' ? batch : 1) > MAX_RUN_PIXELS) {
    throw bad(
      file,
      `the model takes ${signatureText(input)}, more than the ${MAX_INPUT_PIXELS} pixels an item and ${MAX_RUN_PIXELS} a run that fit into memory.`,
      'Export it with a smaller input.',
    );
  }
  const channels = pick(preprocess?.channels, channelSize, 'number of channels', '"channels": 1 or 3');
  if (channels !== 1 && channels !== 3) {
    throw bad(
      file,
      `the model takes ${channels} channels (${signatureText(input)}); images have 1 or 3.`,
      'Only models of grey or RGB images can be used.',
    );
  }
  if (preprocess?.mean === undefined && preprocess?.std === undefined) {
    notes.push('No "mean" and "std" in the config: pixels are divided by 255, nothing else.');
  }
  const perChannel = (values: readonly number[] | undefined, fallback: number, key: string): number[] => {
    const given = values ?? [fallback];
    if (given.length !== 1 && given.length !== channels) {
      throw bad(
        file,
        `"${key}" has ${given.length} numbers, the model takes ${channels} channel${channels > 1 ? 's' : ''}.`,
        `Give one number, or ${channels}.`,
      );
    }
    return Array.from({ length: channels }, (_, channel) => (given[channel] ?? given[0]) as number);
  };
  return {
    height,
    width,
    channels,
    mean: perChannel(preprocess?.mean, 0, 'mean'),
    std: perChannel(preprocess?.std, 1, 'std'),
    resize: preprocess?.resize ?? 'crop',
    layout,
    ...(preprocess?.kernel === undefined ? {} : { kernel: preprocess.kernel }),
    ...(preprocess?.scale === undefined ? {} : { scale: preprocess.scale }),
  };
}

import { BackcompatError } from '../contract/errors.ts';
import type { Signature } from '../engine/session.ts';
import { isEmbedding, listed, MAX_FIXED_BATCH, namedOutput, tooManyItems } from './imageModel.ts';

export type Pooling = 'mean' | 'cls';

/** How to feed token ids to a model and which output to take. */
export interface TextModel {
  ids: string;
  mask: string | null;
  /** All zeros: one text, not a pair. */
  types: string | null;
  positions: string | null;
  inputType: 'int64' | 'int32';
  output: string;
  /** Of an output [batch, tokens, d]; null: the output is one vector an item. */
  pooling: Pooling | null;
  /** Items that every run must have; null: any number. */
  fixedBatch: number | null;
  /** Tokens that every text must have; null: any number. */
  fixedTokens: number | null;
  notes: string[];
}

export interface TextModelChoice {
  file: string;
  output?: string;
  /** What the config, or the file beside the model, says. */
  pooling: Pooling | null;
}

/** Names that exporters of both families give. */
const roles = {
  ids: ['input_ids', 'input_word_ids', 'tokens'],
  mask: ['attention_mask', 'input_mask'],
  types: ['token_type_ids', 'segment_ids', 'input_type_ids'],
  positions: ['position_ids'],
} as const;

/** Whether a model takes token ids rather than pixels. */
export function takesTexts(inputs: readonly Signature[]): boolean {
  return inputs.some((input) => roleOf(input) === 'ids') && inputs.every(({ type }) => /^int(32|64)$/.test(type));
}

function roleOf({ name }: Signature): keyof typeof roles | null {
  // TensorFlow appends ":0", and a signature's name before it.
  const plain = name.replace(/:\d+$/, '').replace(/^serving_default_/, '');
  const found = Object.entries(roles).find(([, names]) => (names as readonly string[]).includes(plain));
  return (found?.[0] as keyof typeof roles | undefined) ?? null;
}

/**
 * Decides from a model's signature and the config how token ids go in and the embedding comes out.
 * @throws BackcompatError `bad-model` naming what to add to the config
 */
export function resolveTextModel(
  inputs: readonly Signature[],
  outputs: readonly Signature[],
  choice: TextModelChoice,
): TextModel {
  const { file } = choice;
  const bad = (message: string, remedy: string): BackcompatError =>
    new BackcompatError('bad-model', `${file}: ${message}`, { place: { file }, remedy });
  const byRole = new Map(inputs.map((input) => [roleOf(input), input]));
  const ids = byRole.get('ids');
  const strange = inputs.filter((input) => roleOf(input) === null || !/^int(32|64)$/.test(input.type));
  if (ids === undefined || strange.length > 0) {
    throw bad(
      `the model takes ${listed(inputs)}; a text model takes input_ids, attention_mask, token_type_ids and position_ids only.`,
      'Export the text encoder alone.',
    );
  }
  if (inputs.some(({ shape }) => shape.length !== 0 && shape.length !== 2)) {
    throw bad(
      `the model takes ${listed(inputs)}; token ids of [batch, tokens] are needed.`,
      'Export it for plain texts.',
    );
  }
  const notes: string[] = [];
  const [batch, tokens] = ids.shape;
  if (typeof batch === 'number' && batch > MAX_FIXED_BATCH) throw tooManyItems(file, batch);
  const { output, isTokens } = outputOf(outputs, choice, bad, notes);
  if (isTokens && choice.pooling === null) {
    notes.push(
      'Vectors of tokens are averaged: neither "pooling" in the config nor 1_Pooling/config.json says another way.',
    );
  }
  if (typeof tokens === 'number')
    notes.push(`The model takes exactly ${tokens} tokens a text: shorter ones are padded.`);
  return {
    ids: ids.name,
    mask: byRole.get('mask')?.name ?? null,
    types: byRole.get('types')?.name ?? null,
    positions: byRole.get('positions')?.name ?? null,
    inputType: ids.type as 'int64' | 'int32',
    output,
    pooling: isTokens ? (choice.pooling ?? 'mean') : null,
    fixedBatch: typeof batch === 'number' ? batch : null,
    fixedTokens: typeof tokens === 'number' ? tokens : null,
    notes,
  };
}

/** [batch, tokens, d] of numbers. */
function isTokenVectors({ type, shape }: Signature): boolean {
  return /^float(16|32|64)$/.test(type) && shape.length === 3;
}

function outputOf(
  outputs: readonly Signature[],
  choice: TextModelChoice,
  bad: (message: string, remedy: string) => BackcompatError,
  notes: string[],
): { output: string; isTokens: boolean } {
  const take = (signature: Signature) => ({ output: signature.name, isTokens: isTokenVectors(signature) });
  const candidates = outputs.filter((output) => isEmbedding(output) || isTokenVectors(output));
  const named = namedOutput(outputs, choice);
  if (named !== null) return take(named);
  const [only] = candidates;
  if (only === undefined) {
    throw bad(
      `none of the outputs holds vectors of texts or tokens; the model gives ${listed(outputs)}.`,
      'Export it with the last hidden state [batch, tokens, dimension] or the embedding [batch, dimension].',
    );
  }
  if (candidates.length === 1) return take(only);
  // What exporters call the finished vector of a sentence.
  const finished = candidates.find(({ name }) => name === 'sentence_embedding');
  const hidden = candidates.filter(isTokenVectors);
  const pooled = choice.pooling !== null && hidden.length === 1 ? hidden[0] : undefined;
  const chosen = finished ?? pooled;
  if (chosen === undefined) {
    throw bad(
      `several outputs could be the embedding: ${listed(candidates)}.`,
      `Choose one in the config: "output": ${JSON.stringify(only.name)}.`,
    );
  }
  notes.push(`Of ${listed(candidates)}, ${JSON.stringify(chosen.name)} is taken.`);
  return take(chosen);
}

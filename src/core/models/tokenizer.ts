import path from 'node:path';
import type { Tokenizer } from '@huggingface/tokenizers';
import { BackcompatError } from '../contract/errors.ts';
import { findBeside, readJsonObject } from './preprocessorConfig.ts';

/** Turns texts into token ids. */
export interface TextTokenizer {
  /** Ids with the special tokens around them, at most `maxTokens`. */
  encode(text: string): Int32Array;
  readonly padId: number;
  readonly maxTokens: number;
  /** Files that decide about the ids. */
  readonly files: readonly string[];
  /** What was assumed. */
  readonly notes: readonly string[];
}

export interface TokenizerChoice {
  /** The model, for messages and as the place to look beside. */
  model: string;
  /** Absolute path of `tokenizer.json`; absent: beside the model or above it. */
  tokenizer?: string;
  maxTokens?: number;
  /** Tokens that the model is exported for; null: any number. */
  fixedTokens: number | null;
}

/** The largest vocabularies are some 20 MB of JSON, with merges twice that. */
const MAX_TOKENIZER_BYTES = 2 ** 27;
/** Cut here unless somebody says otherwise: configs without a limit say 1e30. */
const DEFAULT_MAX_TOKENS = 512;

/** A text whose ids show where special tokens are put. */
const PROBE = 'a';

/**
 * Opens the `tokenizer.json` of a text model. Its padding and truncation settings do not count: texts are cut at
 * `maxTokens` on the side that it says, special tokens kept, and padded to the longest of their batch.
 * @throws BackcompatError `not-found`, `bad-file`
 */
export async function openTokenizer(choice: TokenizerChoice): Promise<TextTokenizer> {
  const file = choice.tokenizer ?? (await findBeside(choice.model, 'tokenizer.json'));
  if (file === null) {
    throw new BackcompatError(
      'not-found',
      `${choice.model} is a text model, and no tokenizer.json lies beside it or above.`,
      {
        place: { file: choice.model },
        remedy: 'Copy the tokenizer.json of the model beside it, or name it: "tokenizer": "path/to/tokenizer.json".',
      },
    );
  }
  const json = await readJsonObject(file, 'The tokenizer', MAX_TOKENIZER_BYTES);
  const configFile = path.join(path.dirname(file), 'tokenizer_config.json');
  const config = await readJsonObject(configFile, 'The tokenizer config').catch((error: unknown) => {
    if (error instanceof BackcompatError && error.code === 'not-found') return null;
    throw error;
  });
  const bad = (what: string, cause?: unknown): BackcompatError =>
    new BackcompatError('bad-file', `${file} ${what}.`, {
      place: { file },
      remedy: 'Give the tokenizer.json that the model was trained with.',
      cause,
    });

  let tokenizer: Tokenizer;
  let around: { before: number[]; behind: number[] };
  try {
    const library = await import('@huggingface/tokenizers');
    tokenizer = new library.Tokenizer(json, config ?? {});
    around = specialTokens(tokenizer);
  } catch (cause) {
    throw bad(`cannot be used as a tokenizer: ${firstSentence(cause)}`, cause);
  }
  const notes = [`Texts are cut into tokens as ${file} says.`];
  const maxTokens = maxTokensOf(choice, config, notes);
  const room = maxTokens - around.before.length - around.behind.length;
  if (room < 1) throw bad(`puts ${maxTokens - room} special tokens around a text, and at most ${maxTokens} are taken`);
  const cutsStart =
    config?.truncation_side === 'left' || (json.truncation as { direction?: unknown } | null)?.direction === 'Left';
  return {
    encode(text) {
      let ids: number[];
      try {
        ids = tokenizer.encode(text, { add_special_tokens: false }).ids;
      } catch (cause) {
        throw bad(`fails on the text ${JSON.stringify(text.slice(0, 60))}: ${firstSentence(cause)}`, cause);
      }
      // An id that the vocabulary lacks comes as undefined.
      if (!ids.every((id) => Number.isSafeInteger(id) && id >= 0 && id < 2 ** 31)) {
        throw bad(`has no token for a part of the text ${JSON.stringify(text.slice(0, 60))}`);
      }
      if (ids.length > room) ids = cutsStart ? ids.slice(-room) : ids.slice(0, room);
      return Int32Array.from([...around.before, ...ids, ...around.behind]);
    },
    padId: padIdOf(tokenizer, json, config),
    maxTokens,
    files: config === null ? [file] : [file, configFile],
    notes,
  };
}

function specialTokens(tokenizer: Tokenizer): { before: number[]; behind: number[] } {
  const plain = tokenizer.encode(PROBE, { add_special_tokens: false }).ids;
  const whole = tokenizer.encode(PROBE).ids;
  const start = whole.findIndex((_, at) => plain.every((id, index) => whole[at + index] === id));
  if (plain.length === 0 || start < 0) throw new Error('it changes a text when it adds special tokens');
  return { before: whole.slice(0, start), behind: whole.slice(start + plain.length) };
}

function maxTokensOf(
  { maxTokens, fixedTokens }: TokenizerChoice,
  config: Record<string, unknown> | null,
  notes: string[],
): number {
  const said = config?.model_max_length;
  const usual =
    typeof said === 'number' && said >= 1 ? Math.min(Math.floor(said), DEFAULT_MAX_TOKENS) : DEFAULT_MAX_TOKENS;
  const most = Math.min(maxTokens ?? usual, fixedTokens ?? Number.POSITIVE_INFINITY);
  if (maxTokens === undefined) {
    const why =
      most === fixedTokens
        ? 'as the model takes them'
        : most === said
          ? 'as tokenizer_config.json says'
          : 'the default';
    notes.push(`Texts are cut after ${most} tokens (${why}).`);
  }
  return most;
}

function padIdOf(tokenizer: Tokenizer, json: Record<string, unknown>, config: Record<string, unknown> | null): number {
  const padId = (json.padding as { pad_id?: unknown } | null)?.pad_id;
  if (typeof padId === 'number') return padId;
  const token = config?.pad_token;
  const name = typeof token === 'object' && token !== null ? (token as { content?: unknown }).content : token;
  // What stands under the mask does not count; any id of the vocabulary will do.
  return (typeof name === 'string' ? tokenizer.token_to_id(name) : undefined) ?? 0;
}

function firstSentence(cause: unknown): string {
  const message = cause instanceof Error ? cause.message : String(cause);
  return (message.split('\n')[0] as string).slice(0, 200);
}

import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { BackcompatError } from '../contract/errors.ts';
import { findBeside, readJsonObject } from './preprocessorConfig.ts';
import type { Pooling } from './textModel.ts';

/** What the files of sentence-transformers beside a model say about the way from vectors of tokens to one of a text. */
export interface SentenceModules {
  /** Null: they do not say. */
  pooling: Pooling | null;
  normalises: boolean;
  notes: string[];
  /** A pooling or a step that is not supported: vectors of tokens would become others here. */
  problem: BackcompatError | null;
}

const POOLING_FILE = '1_Pooling/config.json';
const MAX_BYTES = 2 ** 20;

/**
 * Reads `1_Pooling/config.json` and `modules.json` beside a model or above it, as sentence-transformers lays them.
 * @throws BackcompatError `bad-file` for a file that is damaged
 */
export async function readSentenceModules(model: string): Promise<SentenceModules> {
  const [poolingFile, modulesFile] = await Promise.all([
    findBeside(model, POOLING_FILE),
    findBeside(model, 'modules.json'),
  ]);
  const notes: string[] = [];
  let pooling: Pooling | null = null;
  let problem: BackcompatError | null = null;
  if (poolingFile !== null) {
    const read = await readPooling(poolingFile);
    if (typeof read === 'string') {
      pooling = read;
      notes.push(`Vectors of tokens become one (${pooling}) as ${poolingFile} says.`);
    } else {
      problem = read;
    }
  }
  const steps = modulesFile === null ? [] : await readSteps(modulesFile);
  const strange = steps.find((step) => !['Transformer', 'Pooling', 'Normalize'].includes(step));
  if (strange !== undefined) {
    problem ??= new BackcompatError(
      'bad-file',
      `${modulesFile} names the step ${JSON.stringify(strange)}, which is not supported.`,
      {
        place: { file: modulesFile ?? undefined },
        remedy: 'Export the model with the finished vector as an output, "sentence_embedding".',
      },
    );
  }
  const normalises = steps.includes('Normalize');
  if (normalises) notes.push(`Vectors are brought to length 1 as ${modulesFile} says.`);
  return { pooling, normalises, notes, problem };
}

/** The pooling, or why it is none of ours. */
async function readPooling(file: string): Promise<Pooling | BackcompatError> {
  const json = await readJsonObject(file, 'The pooling config');
  const modes = Object.keys(json).filter((key) => key.startsWith('pooling_mode_') && json[key] === true);
  // Newer versions write one word.
  if (typeof json.pooling_mode === 'string') modes.push(`pooling_mode_${json.pooling_mode}`);
  const [mode = 'none'] = modes;
  if (modes.length === 1 && /_mean(_tokens)?$/.test(mode)) return 'mean';
  if (modes.length === 1 && /_cls(_token)?$/.test(mode)) return 'cls';
  return new BackcompatError(
    'bad-file',
    `${file} asks for ${modes.join(' and ') || 'no pooling'}; mean and cls are supported.`,
    {
      place: { file },
      remedy: 'Export the model with the finished vector as an output, "sentence_embedding", or choose "pooling".',
    },
  );
}

async function readSteps(file: string): Promise<string[]> {
  const text = await readFile(file, 'utf8');
  let value: unknown;
  try {
    value = text.length > MAX_BYTES ? null : JSON.parse(text);
  } catch {
    // Told below.
  }
  if (!Array.isArray(value)) {
    throw new BackcompatError('bad-file', `${file} is not a list of modules.`, {
      place: { file },
      remedy: 'Copy it again from the model.',
    });
  }
  return value.map((step) => {
    const type = (step as { type?: unknown } | null)?.type;
    return path.extname(`.${String(type)}`).slice(1);
  });
}

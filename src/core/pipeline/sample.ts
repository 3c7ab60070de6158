import { copyFile, mkdir, readdir, rename, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { BackcompatError } from '../contract/errors.ts';
import { STATE_FOLDER } from '../contract/runs.ts';
import { writeFileAtomic } from '../runs/atomicFile.ts';

/** The config of the sample workspace. */
const sampleConfig = `{
  // 10,000 handwritten digits, cut into three parts; the same seed always makes the same cut.
  "datasets": {
    "digits": {
      "idx": { "images": "data/digits-images.idx3-ubyte", "labels": "data/digits-labels.idx1-ubyte" },
      "splits": { "train": 0.6, "gallery": 0.3, "query": 0.1 },
      "seed": 0
    }
  },

  // Three models that turn a digit into 32 numbers.
  "checkpoints": {
    // In service today; it was trained on the digits 0 to 4 only.
    "v1": {
      "model": "models/old.onnx",
      "preprocess": { "size": [28, 28], "channels": 1, "mean": [0.5], "std": [0.5] }
    },
    // Better, but trained without a thought for v1.
    "v2-independent": {
      "model": "models/independent.onnx",
      "preprocess": { "size": [28, 28], "channels": 1, "mean": [0.5], "std": [0.5] }
    },
    // The same network, trained to be compatible with v1 (BCT).
    "v2-compatible": {
      "model": "models/compatible.onnx",
      "preprocess": { "size": [28, 28], "channels": 1, "mean": [0.5], "std": [0.5] }
    }
  },

  // May new queries search the gallery that v1 filled?
  "pairs": {
    "v1-v2-independent": {
      "old": "v1", "new": "v2-independent", "queries": "digits/query", "gallery": "digits/gallery"
    },
    "v1-v2-compatible": {
      "old": "v1", "new": "v2-compatible", "queries": "digits/query", "gallery": "digits/gallery",
      // The upper bound: the new model without any constraint.
      "paragon": "v2-independent"
    }
  },

  // Limits that a release must keep; a broken one makes the audit end with exit status 3.
  "gates": {
    // "criterion.map": ["error", { "state": "within-margin" }],
    // "flips.negativeFlipRate": ["error", { "max": 0.02, "bound": "upper" }]
  }
}
`;

/** From where in the assets to where in the workspace. */
const sampleFiles = [
  ['digits-images.idx3-ubyte', 'data/digits-images.idx3-ubyte'],
  ['digits-labels.idx1-ubyte', 'data/digits-labels.idx1-ubyte'],
  ['old.onnx', 'models/old.onnx'],
  ['independent.onnx', 'models/independent.onnx'],
  ['compatible.onnx', 'models/compatible.onnx'],
] as const;

const CONFIG_NAME = 'backcompat.json';
/** What a sample workspace consists of; a folder with only these is taken for one. */
const sampleEntries = ['data', 'models', CONFIG_NAME, STATE_FOLDER];

export interface Sample {
  /** Absolute. */
  configFile: string;
  pairs: string[];
  /** Whether it was there before. */
  reused: boolean;
}

/**
 * Makes the sample workspace: digits, three checkpoints, a config with two pairs. A workspace made
 * before is used again; a config in it that was edited stays.
 * @param directory is made when missing
 * @param assetsFolder holds the digits and checkpoints of the build
 * @throws BackcompatError `in-use` for a folder with other content, `not-found` for missing assets
 */
export async function makeSample(directory: string, assetsFolder: string): Promise<Sample> {
  const folder = path.resolve(directory);
  const configFile = path.join(folder, CONFIG_NAME);
  const entries = await readdir(folder).catch((error: NodeJS.ErrnoException): string[] => {
    if (error.code === 'ENOENT') return [];
    if (error.code === 'ENOTDIR') throw foreign(`${folder} is a file.`, folder);
    throw error;
  });
  const reused = entries.includes(CONFIG_NAME) && entries.includes('models') && entries.includes('data');
  if (!reused && entries.some((entry) => !sampleEntries.includes(entry))) {
    throw foreign(`The folder ${folder} holds other files than the sample's.`, folder);
  }
  for (const [from, to] of sampleFiles) await copyWhole(path.join(assetsFolder, from), path.join(folder, to));
  // Last, so that a folder with a config is a whole sample.
  if (!entries.includes(CONFIG_NAME)) await writeFileAtomic(configFile, sampleConfig);
  return { configFile, pairs: ['v1-v2-independent', 'v1-v2-compatible'], reused };
}

function foreign(message: string, folder: string): BackcompatError {
  return new BackcompatError('in-use', message, {
    place: { file: folder },
    remedy: 'Name an empty or a new folder: backcompat demo FOLDER',
  });
}

/** Copies beside the target and renames; a target of the same size stays. */
async function copyWhole(from: string, to: string): Promise<void> {
  const source = await stat(from).catch((cause) => {
    throw new BackcompatError('not-found', `The sample's file ${from} is missing.`, {
      place: { file: from },
      remedy: 'Build the project again: npm run build',
      cause,
    });
  });
  const target = await stat(to).catch(() => null);
  if (target?.size === source.size) return;
  await mkdir(path.dirname(to), { recursive: true });
  const temporary = `${to}.${process.pid}.tmp`;
  try {
    await copyFile(from, temporary);
    await rename(temporary, to);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}

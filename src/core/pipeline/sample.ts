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

  // Three models that turn a digit into 32 numbers, each trained in less than a minute.
  "training": {
    // In service today; it was trained on the digits 0 to 4 only.
    "v1": {
      "from": "builtin:convnet", "dimension": 32, "data": "digits/train", "classes": ["0", "1", "2", "3", "4"],
      "method": "independent", "epochs": 4, "optimizer": { "learningRate": 0.003 }, "seed": 1
    },
    // Better, but trained without a thought for v1.
    "v2-independent": {
      "from": "builtin:convnet", "dimension": 32, "data": "digits/train",
      "old": "v1", "evaluate": { "queries": "digits/query", "gallery": "digits/gallery" },
      "method": "independent", "epochs": 4, "optimizer": { "learningRate": 0.003 }
    },
    // The same network, trained to be compatible with v1 (BCT).
    "v2-compatible": {
      "from": "builtin:convnet", "dimension": 32, "data": "digits/train",
      "old": "v1", "evaluate": { "queries": "digits/query", "gallery": "digits/gallery" },
      "method": "bct", "epochs": 4, "optimizer": { "learningRate": 0.003 },
      // The upper bound: the new model without any constraint.
      "paragon": "v2-independent"
    }
  },

  // May new queries search the gallery that v1 filled? The audit of a training says it; a pair asks it again, of whatever is
  // named: results of trainings, model files, or vectors that a service has stored.
  "pairs": {
    "v1-v2-independent": {
      "old": "v1", "new": "v2-independent", "queries": "digits/query", "gallery": "digits/gallery"
    },
    "v1-v2-compatible": {
      "old": "v1", "new": "v2-compatible", "queries": "digits/query", "gallery": "digits/gallery",
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
] as const;

const CONFIG_NAME = 'backcompat.json';
/** What a sample workspace consists of; a folder with only these is taken for one. */
const sampleEntries = ['data', CONFIG_NAME, STATE_FOLDER];

export interface Sample {
  /** Absolute. */
  configFile: string;
  /** Training blocks, each after those that it needs. */
  blocks: readonly string[];
  /** Whether it was there before. */
  reused: boolean;
}

/**
 * Makes the sample workspace: digits, and a config with three trainings and two pairs of their results. A workspace
 * made before is used again; a config in it that was edited stays.
 * @param directory is made when missing
 * @param assetsFolder holds the digits of the build
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
  const reused = entries.includes(CONFIG_NAME) && entries.includes('data');
  if (!reused && entries.some((entry) => !sampleEntries.includes(entry))) {
    throw foreign(`The folder ${folder} holds other files than the sample's.`, folder);
  }
  for (const [from, to] of sampleFiles) await copyWhole(path.join(assetsFolder, from), path.join(folder, to));
  // Last, so that a folder with a config is a whole sample.
  if (!entries.includes(CONFIG_NAME)) await writeFileAtomic(configFile, sampleConfig);
  return { configFile, blocks: ['v1', 'v2-independent', 'v2-compatible'], reused };
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

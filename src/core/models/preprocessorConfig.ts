import { access, readFile } from 'node:fs/promises';
import path from 'node:path';
import type { PreprocessDefinition } from '../config/schema.ts';
import { BackcompatError } from '../contract/errors.ts';
import type { Preprocessing } from '../data/decodeImage.ts';
import { fileSize } from '../data/files.ts';

/** How images go into a model, as far as somebody said it. */
export interface ImageSettings extends Omit<PreprocessDefinition, 'resize'>, Partial<Pick<Preprocessing, 'resize'>> {
  kernel?: Preprocessing['kernel'];
  scale?: number;
}

export const PREPROCESSOR_FILE = 'preprocessor_config.json';
const MAX_BYTES = 2 ** 20;

/** Numbers of Pillow's resampling filters. */
const kernels: Record<number, NonNullable<Preprocessing['kernel']>> = {
  0: 'nearest',
  1: 'lanczos3',
  2: 'linear',
  3: 'cubic',
};

/** From this side on ConvNeXT stretches instead of cutting. */
const CROP_PCT_SIDE = 384;

/** Steps that are taken; one that is asked for and not among them is refused. */
const steps = ['do_resize', 'do_center_crop', 'do_rescale', 'do_normalize', 'do_convert_rgb'];

/** The file beside a model, or in the folder above it as exports to `onnx/` have it; null: there is none. */
export async function findBeside(model: string, name: string): Promise<string | null> {
  const folder = path.dirname(model);
  for (const candidate of [path.join(folder, name), path.join(folder, '..', name)]) {
    try {
      await access(candidate);
      return candidate;
    } catch {
      // The next place.
    }
  }
  return null;
}

/** A small JSON file with an object in it. @throws BackcompatError `not-found`, `bad-file` */
export async function readJsonObject(
  file: string,
  what: string,
  maxBytes = MAX_BYTES,
): Promise<Record<string, unknown>> {
  const bytes = await fileSize(file, what);
  if (bytes > maxBytes) {
    throw new BackcompatError(
      'bad-file',
      `${file} has ${bytes} bytes; ${what.toLowerCase()} has at most ${maxBytes}.`,
      {
        place: { file },
      },
    );
  }
  let cause: unknown;
  try {
    const value: unknown = JSON.parse(await readFile(file, 'utf8'));
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  } catch (error) {
    cause = error;
  }
  throw new BackcompatError('bad-file', `${file} is not a JSON object.`, {
    place: { file },
    remedy: 'Copy it again from the model.',
    cause,
  });
}

/**
 * Reads a `preprocessor_config.json` of Hugging Face: resize (to a size, or the shortest edge), centre crop, rescale,
 * normalise, in that order. Defaults where a key is absent: what is given is done, bilinear, a 255th.
 * @throws BackcompatError `not-found`; `bad-file` naming the key that is malformed or cannot be honoured
 */
export async function readPreprocessorConfig(file: string): Promise<ImageSettings> {
  const json = await readJsonObject(file, 'The preprocessor config');
  const refuse = (key: string, why: string): BackcompatError =>
    new BackcompatError('bad-file', `${file}: ${JSON.stringify(key)} is ${shown(json[key])}, ${why}.`, {
      place: { file, field: key },
      remedy: 'Give "preprocess" in the config: { "size": [height, width], "mean": [...], "std": [...] }.',
    });
  const flag = (key: string, fallback: boolean): boolean => {
    const value = json[key] ?? fallback;
    if (typeof value !== 'boolean') throw refuse(key, 'not true or false');
    return value;
  };
  const unknown = Object.keys(json).find((key) => key.startsWith('do_') && json[key] === true && !steps.includes(key));
  if (unknown !== undefined) throw refuse(unknown, 'a step that is not supported');

  const settings: ImageSettings = {};
  const isCut = flag('do_center_crop', json.crop_size !== undefined);
  const crop = isCut ? sizeOf(json.crop_size) : null;
  if (isCut && crop === null) throw refuse('crop_size', 'neither a number nor { height, width }');
  const isResized = flag('do_resize', json.size !== undefined);
  const byShare = isResized && !isCut ? sizeByShare(json) : null;
  settings.resize = byShare?.resize ?? (isResized ? resizeOf(json, isCut, refuse) : 'none');
  const size =
    crop ??
    byShare?.size ??
    (typeof settings.resize === 'object' && 'height' in settings.resize ? settings.resize : null);
  if (size !== null) settings.size = [size.height, size.width];
  if (settings.resize !== 'none') {
    const resample = json.resample ?? 2;
    settings.kernel = kernels[resample as number];
    if (settings.kernel === undefined) throw refuse('resample', 'none of 0, 1, 2 and 3');
  }

  if (flag('do_rescale', true)) {
    const factor = json.rescale_factor ?? 1 / 255;
    if (!isPositive(factor)) throw refuse('rescale_factor', 'not a number above 0');
    settings.scale = factor;
  } else {
    settings.scale = 1;
  }
  settings.mean = [0];
  settings.std = [1];
  if (flag('do_normalize', json.image_mean !== undefined)) {
    const [mean, std] = ['image_mean', 'image_std'].map((key) => {
      const values = typeof json[key] === 'number' ? [json[key]] : json[key];
      const isList = Array.isArray(values) && (values.length === 1 || values.length === 3);
      if (!isList || !values.every((value) => Number.isFinite(value) && (key === 'image_mean' || value > 0))) {
        throw refuse(key, key === 'image_mean' ? 'not 1 or 3 numbers' : 'not 1 or 3 numbers above 0');
      }
      return values as number[];
    });
    settings.mean = mean;
    settings.std = std;
  }
  return settings;
}

function resizeOf(
  json: Record<string, unknown>,
  isCut: boolean,
  refuse: (key: string, why: string) => BackcompatError,
): NonNullable<ImageSettings['resize']> {
  const { size } = json;
  const edge = shortestEdge(size);
  if (isSide(edge)) {
    if (!isCut) throw refuse('size', 'images of different shapes; a model needs one, so "crop_size" is missing');
    return { shortest: edge };
  }
  // One number meant the shortest edge to processors that cut, and both sides to the others.
  if (isSide(size) && isCut) return { shortest: size };
  const both = sizeOf(size);
  if (both === null) throw refuse('size', 'neither a number, { height, width } nor { shortest_edge }');
  return both;
}

function shortestEdge(size: unknown): unknown {
  return typeof size === 'object' && size !== null ? (size as { shortest_edge?: unknown }).shortest_edge : undefined;
}

/** ConvNeXT's rule: a small side is made larger by `crop_pct` and cut, a large one is stretched. */
function sizeByShare({ size, crop_pct: share }: Record<string, unknown>) {
  const edge = shortestEdge(size);
  if (!isSide(edge) || !isPositive(share) || share > 1) return null;
  const square = { height: edge, width: edge };
  return { size: square, resize: edge < CROP_PCT_SIDE ? { shortest: Math.trunc(edge / share) } : square };
}

function sizeOf(value: unknown): { height: number; width: number } | null {
  if (isSide(value)) return { height: value, width: value };
  if (typeof value !== 'object' || value === null) return null;
  const { height, width } = value as { height?: unknown; width?: unknown };
  return isSide(height) && isSide(width) ? { height, width } : null;
}

function isSide(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) > 0 && (value as number) < 2 ** 15;
}

function isPositive(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value) && value > 0;
}

function shown(value: unknown): string {
  return value === undefined ? 'missing' : JSON.stringify(value).slice(0, 80);
}

import type { Preprocessing } from '../../data/decodeImage.ts';
import type { ImageContent, TextContent } from '../../data/itemSet.ts';
import type { VectorSource } from '../../data/vectorSource.ts';
import type { TrainingBatch, TrainingTensor } from '../trainer.ts';

/** How images are varied. Every draw follows from seed, epoch and item, so that order and threads do not matter. */
export interface Augmentation {
  /** Images are shifted by up to this share of their side, edges repeated; 0: not. In [0, 1). */
  crop: number;
  /** Whether half of the images are mirrored, left to right. */
  flip: boolean;
  /** Brightness, contrast and saturation are each scaled by a factor in 1 - colour ... 1 + colour; 0: not. In [0, 1]. */
  colour: number;
}

/** What a batch holds for the model's inputs. */
export type BatchInputs =
  | {
      kind: 'images';
      /** Of the model's input. */
      input: string;
      images: ImageContent;
      /** As the audit prepares them. */
      preprocessing: Preprocessing;
      augmentation: Augmentation | null;
    }
  | {
      kind: 'texts';
      texts: TextContent;
      /** Ids of a text's tokens (a `TextEncoder`'s). */
      tokenise(text: string): Int32Array;
      /** The model's inputs of texts given by their tokens, padded to the longest (a `TextEncoder`'s). */
      feeds(texts: readonly Int32Array[]): Readonly<Record<string, TrainingTensor>>;
    }
  /** Rows as they are stored: vectors for an adapter, features of a frozen trunk (see `frozenFeatures`). */
  | {
      kind: 'vectors';
      vectors: VectorSource;
      /** The model's inputs and the shape that an item has in them: what a row holds one behind the other, from component `start` on. */
      start: number;
      parts: readonly { input: string; shape: readonly number[] }[];
    };

/** What the objective gets beside the inputs, one entry an item of the source; see `BatchFields`. */
export interface ItemFields {
  labels?: Int32Array;
  oldLabels?: Int32Array;
  /** Row i belongs to item i; brought to length 1. */
  oldVectors?: VectorSource;
  /** Whether the lengths that they had are wanted too. */
  oldLengths?: boolean;
  replayed?: Int32Array;
  /** Whether numbers are drawn. */
  chance?: boolean;
}

export interface BatchSourceOptions {
  inputs: BatchInputs;
  fields: ItemFields;
  /** Items a step; all items where there are fewer. */
  batchSize: number;
  seed: number;
  /**
   * Items of each class of a batch, so that losses find pairs; null: plain shuffling. An epoch then has as many batches as
   * before, and every class as many items in it as any other.
   */
  itemsPerClass: number | null;
  /** Batches made ahead of their use. Default 3. */
  ahead?: number;
  /**
   * The bundle that decodes and augments images in a thread of its own; null: in this thread. Default: the one that lies
   * beside the running bundle, if any. What comes out is the same.
   */
  workerFile?: string | null;
}

/**
 * Training items in batches. A batch is a pure function of (items, options, epoch, position): a run that goes on in the
 * middle of an epoch sees the same bytes as one that was never interrupted.
 */
export interface BatchSource {
  readonly items: number;
  /** Items of every batch of `batches`. */
  readonly batchSize: number;
  /** Whole batches only: what is left over of an epoch is dropped, other items each time. At least 1. */
  readonly batchesPerEpoch: number;
  /** The items of a batch, by their index. */
  itemsOf(epoch: number, position: number): Int32Array;
  /**
   * Batches of an epoch from `position` (0 to batchesPerEpoch) on; the following ones are made while one is used. One
   * iteration at a time; leaving the loop early is fine.
   * @param epoch any whole number from 0
   * @throws BackcompatError `bad-file`, `not-found` naming an image that cannot be read; `bad-data`; `cancelled`
   */
  batches(epoch: number, position: number, signal?: AbortSignal): AsyncGenerator<TrainingBatch>;
  /** All items in their own order, not varied, without fields; the last batch may be shorter. For evaluation. */
  inOrder(signal?: AbortSignal): AsyncGenerator<TrainingBatch>;
  /** Ends the thread and closes files. Idempotent. */
  close(): Promise<void>;
}

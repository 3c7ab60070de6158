import type { CheckpointDefinition } from '../config/schema.ts';
import { throwIfCancelled } from '../contract/errors.ts';
import type { ItemSet } from '../data/itemSet.ts';
import type { VectorSource } from '../data/vectorSource.ts';
import { type EmbedOptions, embedItems } from './embedItems.ts';
import { type ModelCheckpoint, openModelCheckpoint } from './modelCheckpoint.ts';
import { type OpenTableOptions, openTableCheckpoint, type TableCheckpoint } from './tableCheckpoint.ts';

/**
 * Something that gives every item a vector. Both kinds have `name`, `kind`, `path` (as the user gave it),
 * `dimension`, `notes` (what was assumed, for people), `fingerprint()` and `close()`.
 */
export type Checkpoint = ModelCheckpoint | TableCheckpoint;

export interface OpenOptions extends OpenTableOptions {
  /** Threads of one operator; null: one a core. */
  threads?: number | null;
}

/**
 * Opens a checkpoint; close it when done.
 * A model is checked (weights elsewhere, input, output), loaded, and run once on its probe items; a
 * table has its headers and label files read.
 * @param name the checkpoint's name in the config, for messages
 * @param baseFolder what paths in the definition are relative to
 * @throws BackcompatError `not-found`, `bad-file`, `bad-model`, `bad-data`
 */
export async function openCheckpoint(
  name: string,
  definition: CheckpointDefinition,
  baseFolder: string,
  options: OpenOptions = {},
): Promise<Checkpoint> {
  throwIfCancelled(options.signal);
  return 'vectors' in definition
    ? openTableCheckpoint(name, definition, baseFolder, options)
    : openModelCheckpoint(name, definition, baseFolder, options);
}

/**
 * The vectors of `items`, row i for item i. A model's are computed, or taken from the cache when the
 * same model has seen the same content; a table's are looked up by id. Close the result when done;
 * a table's stays usable only while its checkpoint is open.
 * @throws BackcompatError `bad-data` (items without content or without a vector; NaN, infinite or zero
 *   vectors, naming the item), `bad-file` (unreadable image), `bad-model`, `cancelled`
 */
export async function embed(checkpoint: Checkpoint, items: ItemSet, options: EmbedOptions): Promise<VectorSource> {
  throwIfCancelled(options.signal);
  if (checkpoint.kind === 'table') return checkpoint.vectorsOf(items);
  return embedItems(checkpoint, items, options);
}

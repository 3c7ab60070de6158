import { closest, quotedList } from '../config/closest.ts';
import { configError, type LoadedConfig } from '../config/loadConfig.ts';
import { BackcompatError } from '../contract/errors.ts';

/** How messages call the blocks of a key, and what to do where there is none. */
interface BlockWords {
  /** "training block", "block of sessions". */
  one: string;
  /** "training blocks". */
  many: string;
  remedy: string;
}

/**
 * The block of `training` or `sessions` called `name`, or the only one.
 * @throws BackcompatError `usage` for an unknown name or one that is missing, `bad-config` when there is no block
 */
export function namedBlock<B>(
  loaded: LoadedConfig,
  key: 'training' | 'sessions',
  blocks: Readonly<Record<string, B>>,
  name: string | null,
  words: BlockWords,
): { name: string; block: B } {
  const names = Object.keys(blocks);
  const place = { file: loaded.file, field: key };
  if (names.length === 0) throw configError(loaded, [], `${loaded.file} has no ${key}.`, words.remedy);
  if (name !== null && !Object.hasOwn(blocks, name)) {
    const suggestion = closest(name, names);
    throw new BackcompatError('usage', `There is no ${words.one} ${JSON.stringify(name)} in ${loaded.file}.`, {
      place,
      remedy: suggestion ? `Did you mean ${JSON.stringify(suggestion)}?` : `Known blocks are ${quotedList(names)}.`,
    });
  }
  if (name === null && names.length > 1) {
    throw new BackcompatError('usage', `${loaded.file} has ${names.length} ${words.many}.`, {
      place,
      remedy: `Name one with --name: ${quotedList(names)}.`,
    });
  }
  const chosen = name ?? (names[0] as string);
  return { name: chosen, block: blocks[chosen] as B };
}

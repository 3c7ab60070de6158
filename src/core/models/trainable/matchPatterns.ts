import { closest, quotedList } from '../../config/closest.ts';
import { BackcompatError } from '../../contract/errors.ts';

/**
 * The weights that patterns of "trainable" choose; see `matches`.
 * @param namesOf what a pattern may name a weight by, its own name first
 * @throws BackcompatError `bad-config` for a pattern that matches none, with names near it
 */
export function matchPatterns<W>(
  file: string,
  patterns: readonly string[],
  weights: readonly W[],
  namesOf: (weight: W) => readonly string[],
): Set<W> {
  const chosen = new Set<W>();
  for (const pattern of patterns) {
    const matching = weights.filter((weight) => namesOf(weight).some((name) => matches(pattern, name)));
    if (matching.length === 0) throw noMatch(file, pattern, weights.map(namesOf));
    for (const weight of matching) chosen.add(weight);
  }
  return chosen;
}

/** `*` stands for any characters, `?` for one; a pattern may leave out what follows a "." or "/", and a leading "/". */
export function matches(pattern: string, name: string): boolean {
  const parts = pattern.replace(/[.*+?^${}()|[\]\\]/g, (sign) =>
    sign === '*' ? '.*' : sign === '?' ? '.' : `\\${sign}`,
  );
  return new RegExp(`^/?${parts}(?:[./#].*)?$`, 's').test(name);
}

const MAX_NAMED = 8;

function noMatch(file: string, pattern: string, namesOfAll: readonly (readonly string[])[]): BackcompatError {
  const names = [...new Set(namesOfAll.map((own) => own[0] as string))];
  const plain = pattern.replace(/[*?]/g, '');
  const near = names.filter((name) => plain !== '' && name.toLowerCase().includes(plain.toLowerCase()));
  const spelt = closest(pattern, new Set(namesOfAll.flat()));
  const remedy =
    spelt !== null
      ? `Did you mean ${JSON.stringify(spelt)}?`
      : `Weights are ${near.length > 0 ? 'near it ' : ''}${quotedList(near.length > 0 ? near : names, MAX_NAMED)}.`;
  return new BackcompatError('bad-config', `"trainable": ${JSON.stringify(pattern)} matches no weight of ${file}.`, {
    place: { file, field: 'trainable' },
    remedy,
  });
}

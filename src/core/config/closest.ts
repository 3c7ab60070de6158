/** Levenshtein distance between two short strings. */
export function editDistance(from: string, to: string): number {
  let previous = Array.from({ length: to.length + 1 }, (_, index) => index);
  for (let i = 1; i <= from.length; i++) {
    const current = [i];
    for (let j = 1; j <= to.length; j++) {
      const replaced = (previous[j - 1] as number) + (from[i - 1] === to[j - 1] ? 0 : 1);
      current.push(Math.min(replaced, (previous[j] as number) + 1, (current[j - 1] as number) + 1));
    }
    previous = current;
  }
  return previous[to.length] as number;
}

/**
 * The candidate that was probably meant, or null when none is near: at most two edits, and fewer
 * than half of the longer word; case does not count. The earlier candidate wins a tie.
 */
export function closest(word: string, candidates: Iterable<string>): string | null {
  let best: string | null = null;
  let bestDistance = 3;
  for (const candidate of candidates) {
    const distance = editDistance(word.toLowerCase(), candidate.toLowerCase());
    if (distance < bestDistance && 2 * distance < Math.max(word.length, candidate.length)) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return best;
}

/** `"a", "b" and "c"`, at most `limit` of them. */
export function quotedList(names: Iterable<string>, limit = 12): string {
  const all = [...names].map((name) => JSON.stringify(name));
  if (all.length === 0) return 'none';
  if (all.length > limit) return `${all.slice(0, limit).join(', ')} and ${all.length - limit} more`;
  const last = all.pop() as string;
  return all.length === 0 ? last : `${all.join(', ')} and ${last}`;
}

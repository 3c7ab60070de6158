import { closest, quotedList } from '../config/closest.ts';
import { BackcompatError } from '../contract/errors.ts';
import { counted } from '../contract/format.ts';
import type { PlannedItems } from './plan.ts';

export interface ColumnSession {
  title: string;
  members: number[];
}

/**
 * Sessions by the values of a column, in ascending order: numbers by size, everything else as text in which numbers count as
 * numbers (ISO dates fall into place). Items of one value are never parted.
 * @param sessions contiguous values join to so many sessions of about equal size; null: each value is one
 * @throws BackcompatError `bad-config`: no such column, more sessions than values
 */
export function itemsOfSessions(items: PlannedItems, column: string, sessions: number | null): ColumnSession[] {
  const values = items.slices.get(column);
  if (values === undefined) {
    const columns = [...items.slices.keys()];
    const suggestion = closest(column, columns);
    throw new BackcompatError('bad-config', `${items.name} has no column ${JSON.stringify(column)}.`, {
      place: { field: 'column' },
      remedy: suggestion
        ? `Did you mean ${JSON.stringify(suggestion)}?`
        : columns.length === 0
          ? 'Name a label file with such a column.'
          : `Its columns are ${quotedList(columns)}.`,
    });
  }
  const byValue = new Map<string, number[]>();
  values.forEach((value, item) => {
    const members = byValue.get(value);
    if (members) members.push(item);
    else byValue.set(value, [item]);
  });
  const isNumeric = [...byValue.keys()].every((value) => value.trim() !== '' && Number.isFinite(Number(value)));
  const order = new Intl.Collator('en', { numeric: true });
  const sorted = [...byValue].sort(([a], [b]) => (isNumeric ? Number(a) - Number(b) : order.compare(a, b)));
  if (sessions === null) return sorted.map(([title, members]) => ({ title, members }));
  if (sessions > sorted.length) {
    throw new BackcompatError(
      'bad-config',
      `The column ${JSON.stringify(column)} of ${items.name} has ${counted(sorted.length, 'value')}, too few for ${sessions} sessions.`,
      { place: { field: 'sessions' }, remedy: `Plan at most ${counted(sorted.length, 'session')}.` },
    );
  }
  return joinToSessions(sorted, sessions, items.count);
}

/** A value goes to the session in whose share of all items its middle lies, as far as every session gets one. */
function joinToSessions(sorted: readonly [string, number[]][], sessions: number, total: number): ColumnSession[] {
  const groups: [string, number[]][][] = Array.from({ length: sessions }, () => []);
  let before = 0;
  let session = 0;
  sorted.forEach(([value, members], index) => {
    const wanted = Math.min(sessions - 1, Math.floor((sessions * (before + members.length / 2)) / total));
    // At most one on, so that none stays empty; as many values must be left as sessions are.
    if ((groups[session] as []).length > 0 && (wanted > session || sorted.length - index <= sessions - 1 - session)) {
      session++;
    }
    groups[session]?.push([value, members]);
    before += members.length;
  });
  return groups.map((group) => {
    const [first, last] = [group[0]?.[0] as string, group.at(-1)?.[0] as string];
    return { title: first === last ? first : `${first} to ${last}`, members: group.flatMap(([, members]) => members) };
  });
}

import { count, counted } from '../contract/format.ts';
import type { SessionPlan } from '../contract/sessions.ts';
import type { PlannedItems } from './plan.ts';
import { membersOf } from './planFile.ts';

/** One line of the preview: what a session holds. Ranges over classes; null where there is no such class. */
export interface SessionPreview {
  title: string;
  items: number;
  classes: number;
  /** Items a class of its own block. */
  own: [number, number] | null;
  /** Items a class of the others that it holds. */
  others: [number, number] | null;
}

/** @throws BackcompatError `bad-data` as `membersOf` */
export function previewPlan(plan: SessionPlan, items: PlannedItems): SessionPreview[] {
  return membersOf(plan, items).map((members, session) => {
    const { title, classes } = plan.sessions[session] as SessionPlan['sessions'][number];
    const counts = new Map<string, number>();
    for (const item of members) {
      const name = items.classNames[items.labelOf[item] as number] as string;
      counts.set(name, (counts.get(name) ?? 0) + 1);
    }
    const own = new Set(classes);
    const range = (isOwn: boolean): [number, number] | null => {
      const sizes = [...counts].flatMap(([name, size]) => (own.has(name) === isOwn ? [size] : []));
      return sizes.length === 0 ? null : [Math.min(...sizes), Math.max(...sizes)];
    };
    return { title, items: members.length, classes: counts.size, own: range(true), others: range(false) };
  });
}

/** The preview as aligned text, a line a session. */
export function previewText(plan: SessionPlan, previews: readonly SessionPreview[]): string {
  const { setup, percent, heldBack, column, seed, data } = plan;
  const facts = [
    setup === 'column' ? `by column ${JSON.stringify(column)}` : percent === null ? setup : `${setup}-${percent}`,
    ...(heldBack === null ? [] : [`heldBack ${heldBack}`]),
    `seed ${seed}`,
  ];
  const rangeText = (range: [number, number] | null) =>
    range === null ? '–' : range[0] === range[1] ? count(range[0]) : `${count(range[0])} to ${count(range[1])}`;
  const rows = [
    ['session', 'items', 'classes', 'a class of its own', 'a class of the others'],
    ...previews.map((line) => [
      line.title,
      count(line.items),
      count(line.classes),
      rangeText(line.own),
      rangeText(line.others),
    ]),
  ];
  const widths = (rows[0] as string[]).map((_, column) =>
    Math.max(...rows.map((row) => (row[column] as string).length)),
  );
  const lines = rows.map((row) =>
    row.map((cell, k) => (k === 0 ? cell.padEnd(widths[k] as number) : cell.padStart(widths[k] as number))).join('  '),
  );
  const total = previews.reduce((sum, { items }) => sum + items, 0);
  return `${data}, ${facts.join(', ')}: ${counted(previews.length, 'session')}, ${counted(total, 'item')}\n${lines.join('\n')}\n`;
}

import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { BackcompatError } from '../contract/errors.ts';
import type { SessionPlan } from '../contract/sessions.ts';
import type { PlannedItems } from './plan.ts';

const share = z.number().min(0).max(100).nullable();
const planShape = z.strictObject({
  format: z.literal('backcompat.session-plan'),
  formatVersion: z.literal(1),
  data: z.string(),
  setup: z.enum(['disjoint', 'blurry', 'general', 'column']),
  percent: share,
  heldBack: share,
  column: z.string().nullable(),
  seed: z.number(),
  sessions: z
    .array(
      z.strictObject({
        title: z.string(),
        classes: z.array(z.string()),
        items: z.array(z.string()).min(1, 'a session without items'),
      }),
    )
    .min(1, 'no session'),
});

export function planText(plan: SessionPlan): string {
  return `${JSON.stringify(plan, null, 1)}\n`;
}

/**
 * A plan that was exported, or written by hand, and the items it names.
 * @returns `members`: indices of each session's items, in the plan's order
 * @throws BackcompatError `not-found`; `bad-file` for what is no plan, naming the first place that is wrong; `bad-data` for an id
 *   that `items` lack, or that comes twice
 */
export async function readPlan(
  file: string,
  items: PlannedItems,
): Promise<{ plan: SessionPlan; members: Int32Array[] }> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (cause) {
    throw new BackcompatError('not-found', `The session plan ${file} cannot be read.`, {
      place: { file },
      remedy: 'Check the path, or export a plan with `backcompat sessions plan --json`.',
      cause,
    });
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw badPlan(file, `it is not JSON (${cause instanceof Error ? cause.message : cause})`, '');
  }
  const parsed = planShape.safeParse(value);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw badPlan(file, issue?.message ?? 'it has another shape', issue?.path.join('.') ?? '');
  }
  return { plan: parsed.data, members: membersOf(parsed.data, items, file) };
}

/**
 * Indices of each session's items.
 * @param file where the plan came from, for messages; null: it was made here
 * @throws BackcompatError `bad-data` for an id that `items` lack, or that comes twice
 */
export function membersOf(plan: SessionPlan, items: PlannedItems, file: string | null = null): Int32Array[] {
  const indexOf = new Map(items.ids.map((id, index) => [id, index]));
  const sessionOf = new Int32Array(items.count).fill(-1);
  const where = file ?? 'The session plan';
  return plan.sessions.map(({ items: ids }, session) =>
    Int32Array.from(ids, (id) => {
      const index = indexOf.get(id);
      const place = { ...(file === null ? {} : { file }), field: `sessions.${session}.items` };
      if (index === undefined) {
        throw new BackcompatError(
          'bad-data',
          `${where} names the item ${JSON.stringify(id)} in session ${session + 1}, and ${items.name} has no such item.`,
          { place, remedy: `Use the data that the plan was made for (${plan.data}), or make it anew.` },
        );
      }
      const before = sessionOf[index] as number;
      if (before >= 0) {
        throw new BackcompatError(
          'bad-data',
          `${where} names the item ${JSON.stringify(id)} twice: in session ${before + 1} and in session ${session + 1}.`,
          { place, remedy: 'Leave each item in one session.' },
        );
      }
      sessionOf[index] = session;
      return index;
    }),
  );
}

function badPlan(file: string, what: string, field: string): BackcompatError {
  const at = field === '' ? '' : ` (at ${field})`;
  return new BackcompatError('bad-file', `${file} is no session plan${at}: ${what}.`, {
    place: { file, ...(field === '' ? {} : { field }) },
    remedy: 'Export a plan with `backcompat sessions plan --json` and compare.',
  });
}

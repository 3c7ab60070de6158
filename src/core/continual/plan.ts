import { BackcompatError } from '../contract/errors.ts';
import { counted } from '../contract/format.ts';
import type { SessionPlan } from '../contract/sessions.ts';
import type { ItemSet } from '../data/itemSet.ts';
import { createRandom } from '../numeric/random.ts';
import { itemsOfSessions } from './columnSessions.ts';

export type PlannedItems = Pick<ItemSet, 'name' | 'count' | 'ids' | 'labelOf' | 'classNames' | 'slices'>;

export type PlanSettings =
  | { setup: 'disjoint'; sessions: number; seed: number }
  /** `percent` in [0, 100). */
  | { setup: 'blurry'; percent: number; sessions: number; seed: number }
  /** `percent` in [0, 100), `heldBack` in [0, 1). */
  | { setup: 'general'; percent: number; heldBack: number; sessions: number; seed: number }
  /** `sessions` null: one for each value of the column. */
  | { setup: 'column'; column: string; sessions: number | null; seed: number };

/**
 * Deals labelled items to sessions; a pure function of its arguments (continual.md, "Session plans"). Classes that have items are
 * shuffled by the seed and cut into blocks of equal size, the first ones one class larger where it does not come out even.
 * - `disjoint`: session j holds all items of block j.
 * - `blurry`: floor(percent n / 100) of the n items of each class are pooled, the pool is shuffled and dealt round-robin over all
 *   sessions; the rest is its block's.
 * - `general`: of each class floor(heldBack n) items wait. Session 0 is its block without them, session j its block without them and
 *   floor(percent / (100 - percent) x its new items / old classes) of the waiting items of each class seen before, none twice.
 * - `column`: by the values of a column (batches, dates) in their order.
 * @throws BackcompatError `bad-config`: more sessions than classes or values, no such column, or a class whose waiting items run
 *   out: then the message names the smallest `heldBack`, in hundredths, that works
 */
export function planSessions(items: PlannedItems, settings: PlanSettings): SessionPlan {
  const { seed } = settings;
  const head = { format: 'backcompat.session-plan', formatVersion: 1, data: items.name, seed } as const;
  const shares = {
    percent: 'percent' in settings ? settings.percent : null,
    heldBack: settings.setup === 'general' ? settings.heldBack : null,
    column: settings.setup === 'column' ? settings.column : null,
  };
  const named = (members: readonly number[]) =>
    [...members].sort((a, b) => a - b).map((item) => items.ids[item] as string);
  if (settings.setup === 'column') {
    const known = new Set<number>();
    const sessions = itemsOfSessions(items, settings.column, settings.sessions).map(({ title, members }) => {
      const fresh = [...new Set(members.map((item) => items.labelOf[item] as number))].filter((c) => !known.has(c));
      for (const label of fresh) known.add(label);
      return {
        title,
        classes: fresh.sort((a, b) => a - b).map((c) => items.classNames[c] as string),
        items: named(members),
      };
    });
    return { ...head, setup: settings.setup, ...shares, sessions };
  }
  const membersOf = shuffledMembers(items, seed);
  const blocks = blocksOf(items, membersOf, settings.sessions, seed);
  const dealt =
    settings.setup === 'disjoint'
      ? blocks.map((block) => block.flatMap((label) => membersOf[label] as number[]))
      : settings.setup === 'blurry'
        ? blurry(blocks, membersOf, settings.percent, seed)
        : general(items, blocks, membersOf, settings.percent, settings.heldBack);
  return {
    ...head,
    setup: settings.setup,
    ...shares,
    sessions: dealt.map((members, index) => ({
      title: `session ${index + 1}`,
      classes: (blocks[index] as number[]).map((label) => items.classNames[label] as string),
      items: named(members),
    })),
  };
}

/** Items of each class, in an order of its own that other classes do not change. */
function shuffledMembers({ labelOf, classNames }: PlannedItems, seed: number): number[][] {
  const membersOf: number[][] = classNames.map(() => []);
  labelOf.forEach((label, item) => void membersOf[label]?.push(item));
  membersOf.forEach((members, label) => {
    createRandom(seed, `sessions/${classNames[label]}`).shuffle(members);
  });
  return membersOf;
}

function blocksOf(items: PlannedItems, membersOf: readonly number[][], sessions: number, seed: number): number[][] {
  const classes = membersOf.flatMap((members, label) => (members.length > 0 ? [label] : []));
  if (sessions > classes.length) {
    throw new BackcompatError(
      'bad-config',
      `${items.name} has ${counted(classes.length, 'class', 'classes')}, too few for ${sessions} sessions.`,
      { place: { field: 'sessions' }, remedy: `Plan at most ${counted(classes.length, 'session')}.` },
    );
  }
  createRandom(seed, 'sessions').shuffle(classes);
  const size = Math.floor(classes.length / sessions);
  const larger = classes.length % sessions;
  return Array.from({ length: sessions }, (_, index) => {
    const start = index * size + Math.min(index, larger);
    return classes.slice(start, start + size + (index < larger ? 1 : 0));
  });
}

/** `share` of `total`, rounded down; 1e-9: .29 x 100 is 29, not 28 because of binary rounding. */
function floorOf(total: number, share: number): number {
  return Math.floor(total * share + 1e-9);
}

function blurry(
  blocks: readonly number[][],
  membersOf: readonly number[][],
  percent: number,
  seed: number,
): number[][] {
  const pool: number[] = [];
  const dealt = blocks.map((block) =>
    block.flatMap((label) => {
      const members = membersOf[label] as number[];
      const shared = floorOf(members.length, percent / 100);
      pool.push(...members.slice(0, shared));
      return members.slice(shared);
    }),
  );
  createRandom(seed, 'sessions, pool').shuffle(pool);
  pool.forEach((item, place) => void dealt[place % blocks.length]?.push(item));
  return dealt;
}

interface GeneralCounts {
  /** Items that wait, by class. */
  waiting: number[];
  /** Items of each old class that a session takes of them, by session. */
  drawn: number[];
  /** The first class that runs out; null: none does. */
  lacking: { label: number; session: number; needed: number } | null;
}

function generalCounts(
  blocks: readonly number[][],
  sizes: readonly number[],
  percent: number,
  heldBack: number,
): GeneralCounts {
  const waiting = sizes.map((size) => floorOf(size, heldBack));
  const taken = sizes.map(() => 0);
  const seen: number[] = [];
  const drawn: number[] = [];
  let lacking: GeneralCounts['lacking'] = null;
  blocks.forEach((block, session) => {
    const fresh = block.reduce((sum, label) => sum + (sizes[label] as number) - (waiting[label] as number), 0);
    const each = seen.length === 0 ? 0 : floorOf(fresh, percent / (100 - percent) / seen.length);
    drawn.push(each);
    for (const label of seen) {
      const needed = (taken[label] as number) + each;
      taken[label] = needed;
      if (needed > (waiting[label] as number)) lacking ??= { label, session, needed };
    }
    seen.push(...block);
  });
  return { waiting, drawn, lacking };
}

function general(
  items: PlannedItems,
  blocks: readonly number[][],
  membersOf: readonly number[][],
  percent: number,
  heldBack: number,
): number[][] {
  const sizes = membersOf.map(({ length }) => length);
  const { waiting, drawn, lacking } = generalCounts(blocks, sizes, percent, heldBack);
  if (lacking !== null) {
    const { label, session, needed } = lacking;
    const smallest = Array.from({ length: 99 }, (_, hundredth) => (hundredth + 1) / 100).find(
      (share) => generalCounts(blocks, sizes, percent, share).lacking === null,
    );
    throw new BackcompatError(
      'bad-config',
      `Class ${JSON.stringify(items.classNames[label])} of ${items.name} keeps ${waiting[label]} items for later sessions, and up to session ${session + 1} they need ${needed}.`,
      {
        place: { field: 'heldBack' },
        remedy:
          smallest === undefined
            ? 'No "heldBack" is large enough: lower "percent", or plan fewer sessions.'
            : `The smallest "heldBack" that works here is ${smallest}.`,
      },
    );
  }
  const next = membersOf.map(() => 0);
  const seen: number[] = [];
  return blocks.map((block, session) => {
    const old = seen.flatMap((label) => {
      const start = next[label] as number;
      next[label] = start + (drawn[session] as number);
      return (membersOf[label] as number[]).slice(start, next[label]);
    });
    seen.push(...block);
    return [...old, ...block.flatMap((label) => (membersOf[label] as number[]).slice(waiting[label] as number))];
  });
}

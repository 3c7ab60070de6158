import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { type PlannedItems, type PlanSettings, planSessions } from '../../src/core/continual/plan.ts';
import { membersOf, planText, readPlan } from '../../src/core/continual/planFile.ts';
import { previewPlan, previewText } from '../../src/core/continual/planPreview.ts';
import type { SessionPlan } from '../../src/core/contract/sessions.ts';

/** `sizes[c]` items of class c, classes interleaved. */
function itemsOf(sizes: readonly number[], column?: (item: number) => string): PlannedItems {
  const labels: number[] = [];
  for (let k = 0; k < Math.max(...sizes); k++) sizes.forEach((size, label) => void (k < size && labels.push(label)));
  return {
    name: 'things',
    count: labels.length,
    ids: labels.map((_, item) => `things/${item}`),
    labelOf: Int32Array.from(labels),
    classNames: sizes.map((_, label) => `class ${label}`),
    slices: new Map(column ? [['day', labels.map((_, item) => column(item))]] : []),
  };
}
const hundred = itemsOf(new Array(100).fill(500));
const digits = itemsOf(new Array(10).fill(600));

/** Items of each class in each session, counted from the ids alone. */
function countsOf(plan: SessionPlan, { ids, labelOf, classNames }: PlannedItems): Map<string, number>[] {
  const indexOf = new Map(ids.map((id, index) => [id, index]));
  return plan.sessions.map((session) => {
    const counts = new Map<string, number>();
    for (const id of session.items) {
      const name = classNames[labelOf[indexOf.get(id) as number] as number] as string;
      counts.set(name, (counts.get(name) ?? 0) + 1);
    }
    return counts;
  });
}
const failing = (settings: PlanSettings, items = digits): { message: string; remedy: string } => {
  try {
    planSessions(items, settings);
  } catch (error) {
    return error as never;
  }
  throw new Error('planned');
};

describe('disjoint', () => {
  it('gives each session all items of its block, and every class to one', () => {
    const plan = planSessions(hundred, { setup: 'disjoint', sessions: 5, seed: 1 });
    expect(plan.sessions.map(({ items }) => items.length)).toEqual([10_000, 10_000, 10_000, 10_000, 10_000]);
    expect(new Set(plan.sessions.flatMap(({ classes }) => classes)).size).toBe(100);
    for (const [session, counts] of countsOf(plan, hundred).entries()) {
      expect([...counts.keys()].sort()).toEqual([...(plan.sessions[session]?.classes ?? [])].sort());
      expect(new Set(counts.values())).toEqual(new Set([500]));
    }
  });

  it('cuts what does not come out even into blocks that differ by one, and leaves out classes without items', () => {
    const plan = planSessions(itemsOf([3, 3, 0, 3, 3, 3, 3, 3]), { setup: 'disjoint', sessions: 3, seed: 0 });
    expect(plan.sessions.map(({ classes }) => classes.length)).toEqual([3, 2, 2]);
    expect(plan.sessions.flatMap(({ classes }) => classes)).not.toContain('class 2');
  });

  it('depends on the seed alone', () => {
    const planned = (seed: number) => planSessions(digits, { setup: 'disjoint', sessions: 5, seed });
    expect(planned(3)).toEqual(planned(3));
    const orders = [0, 1, 2, 3].map((seed) => JSON.stringify(planned(seed).sessions.map(({ classes }) => classes)));
    expect(new Set(orders).size).toBe(4);
  });

  it('refuses more sessions than classes', () => {
    const error = failing({ setup: 'disjoint', sessions: 11, seed: 0 });
    expect(error.message).toBe('things has 10 classes, too few for 11 sessions.');
    expect(error.remedy).toBe('Plan at most 10 sessions.');
  });
});

describe('blurry', () => {
  it('deals a tenth of every class evenly: about 460 items an own class, about 10 of the others', () => {
    const plan = planSessions(hundred, { setup: 'blurry', percent: 10, sessions: 5, seed: 0 });
    expect(plan.sessions.map(({ items }) => items.length)).toEqual([10_000, 10_000, 10_000, 10_000, 10_000]);
    for (const [session, counts] of countsOf(plan, hundred).entries()) {
      const own = new Set(plan.sessions[session]?.classes);
      const mean = (isOwn: boolean) => {
        const sizes = [...counts].flatMap(([name, size]) => (own.has(name) === isOwn ? [size] : []));
        return sizes.reduce((sum, size) => sum + size, 0) / (isOwn ? 20 : 80);
      };
      // 1,000 pooled items a session, a fifth of them of its own classes: 450 + 10, give or take what chance deals.
      expect(Math.abs(mean(true) - 460)).toBeLessThan(3);
      expect(Math.abs(mean(false) - 10)).toBeLessThan(1);
    }
    expect(new Set(plan.sessions.flatMap(({ items }) => items)).size).toBe(50_000);
  });

  it('is disjoint at 0 %', () => {
    const plan = planSessions(digits, { setup: 'blurry', percent: 0, sessions: 5, seed: 2 });
    expect(plan.sessions).toEqual(planSessions(digits, { setup: 'disjoint', sessions: 5, seed: 2 }).sessions);
  });
});

describe('general', () => {
  it('reproduces the counts of general-10: 8,000, then 44, 22, 14 and 11 items of each old class', () => {
    const plan = planSessions(hundred, { setup: 'general', percent: 10, heldBack: 0.2, sessions: 5, seed: 0 });
    expect(plan.sessions.map(({ items }) => items.length)).toEqual([8000, 8880, 8880, 8840, 8880]);
    countsOf(plan, hundred).forEach((counts, session) => {
      const own = new Set(plan.sessions[session]?.classes);
      for (const [name, size] of counts) expect(size).toBe(own.has(name) ? 400 : [0, 44, 22, 14, 11][session]);
      expect(counts.size).toBe(20 * (session + 1));
    });
    const all = plan.sessions.flatMap(({ items }) => items);
    expect(new Set(all).size).toBe(all.length);
  });

  it('names the smallest heldBack that works when a class runs out', () => {
    // 2 classes x 600 a block: at .48 they bring 624 and take 133 + 66 + 44 + 33 = 276 of 288; at .47 636 and 136 + 68 + 45 + 34 = 283 of 282.
    const settings = { setup: 'general', percent: 30, sessions: 5, seed: 0 } as const;
    const error = failing({ ...settings, heldBack: 0.2 });
    expect(error.remedy).toBe('The smallest "heldBack" that works here is 0.48.');
    // 960 x 3 / 7 / 2 = 205 in the second session.
    expect(error.message).toMatch(/keeps 120 items for later sessions, and up to session 2 they need 205\.$/);
    expect(() => planSessions(digits, { ...settings, heldBack: 0.47 })).toThrow(/need 283/);
    expect(planSessions(digits, { ...settings, heldBack: 0.48 }).sessions[4]?.items).toHaveLength(624 + 8 * 33);
  });

  it('says so when no heldBack works', () => {
    // Blocks of very different size: two items of a small class cannot be a fifth of a session of a large one.
    const uneven = itemsOf([2, 2000, 2, 2000]);
    const errors = [0, 1, 2, 3].map((seed) => {
      try {
        planSessions(uneven, { setup: 'general', percent: 90, heldBack: 0.5, sessions: 4, seed });
        return '';
      } catch (error) {
        return (error as { remedy: string }).remedy;
      }
    });
    expect(errors).toContain('No "heldBack" is large enough: lower "percent", or plan fewer sessions.');
  });
});

describe('by a column', () => {
  const dated = itemsOf([4, 4], (item) => `2024-0${1 + Math.floor(item / 2)}-01`);

  it('makes a session of each value, in order', () => {
    const plan = planSessions(dated, { setup: 'column', column: 'day', sessions: null, seed: 0 });
    expect(plan.sessions.map(({ title, items }) => [title, items])).toEqual(
      [1, 2, 3, 4].map((month) => [`2024-0${month}-01`, [`things/${2 * month - 2}`, `things/${2 * month - 1}`]]),
    );
    expect(plan.sessions.map(({ classes }) => classes)).toEqual([['class 0', 'class 1'], [], [], []]);
  });

  it('joins values to sessions of about equal size, and orders numbers by size', () => {
    const plan = planSessions(dated, { setup: 'column', column: 'day', sessions: 2, seed: 0 });
    expect(plan.sessions.map(({ title, items }) => [title, items.length])).toEqual([
      ['2024-01-01 to 2024-02-01', 4],
      ['2024-03-01 to 2024-04-01', 4],
    ]);
    const batches = itemsOf([3, 3], (item) => ['10', '9', '100', '9', '10', '-1'][item] as string);
    const titles = (sessions: number | null) =>
      planSessions(batches, { setup: 'column', column: 'day', sessions, seed: 0 }).sessions.map(({ title }) => title);
    expect(titles(null)).toEqual(['-1', '9', '10', '100']);
    expect(titles(4)).toEqual(['-1', '9', '10', '100']);
  });

  it('leaves no session empty, however uneven the values are', () => {
    for (const large of [0, 1, 2, 3, 4]) {
      const uneven = itemsOf([50, 50], (item) => String(item < 90 ? large : item % 5));
      for (const sessions of [2, 3, 4, 5]) {
        const plan = planSessions(uneven, { setup: 'column', column: 'day', sessions, seed: 0 });
        expect(plan.sessions.map(({ items }) => items.length > 0)).toEqual(new Array(sessions).fill(true));
      }
    }
  });

  it('refuses a column that is not there, and too many sessions', () => {
    expect(failing({ setup: 'column', column: 'days', sessions: null, seed: 0 }, dated).remedy).toBe(
      'Did you mean "day"?',
    );
    expect(failing({ setup: 'column', column: 'day', sessions: null, seed: 0 }).remedy).toMatch(/label file/);
    expect(failing({ setup: 'column', column: 'day', sessions: 5, seed: 0 }, dated).message).toMatch(
      /4 values, too few for 5/,
    );
  });
});

describe('export and import', () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'plan-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  const small = itemsOf([4, 4, 4, 4]);
  const plan = planSessions(small, { setup: 'disjoint', sessions: 2, seed: 0 });
  const written = (value: unknown): string => {
    const file = path.join(folder, 'plan.json');
    writeFileSync(file, typeof value === 'string' ? value : JSON.stringify(value));
    return file;
  };

  it('comes back as it was', async () => {
    const { plan: read, members } = await readPlan(written(planText(plan)), small);
    expect(read).toEqual(plan);
    expect(members.map((session) => Array.from(session, (item) => small.ids[item]))).toEqual(
      plan.sessions.map(({ items }) => items),
    );
    expect(members).toEqual(membersOf(plan, small));
  });

  it.each([
    ['{', /is no session plan: it is not JSON/],
    [{ ...plan, format: 'backcompat.training' }, /at format/],
    [{ ...plan, formatVersion: 2 }, /at formatVersion/],
    [{ ...plan, sessions: [] }, /at sessions\): no session/],
    [
      { ...plan, sessions: [{ title: 'a', classes: [], items: [] }] },
      /at sessions\.0\.items\): a session without items/,
    ],
    [{ ...plan, more: 1 }, /is no session plan/],
  ])('refuses what is no plan (%#)', async (value, message) => {
    await expect(readPlan(written(value), small)).rejects.toThrow(message);
  });

  it('refuses items that are not there or come twice', async () => {
    const [first, second] = plan.sessions as [SessionPlan['sessions'][0], SessionPlan['sessions'][0]];
    const withItems = (items: string[]) => written({ ...plan, sessions: [first, { ...second, items }] });
    await expect(readPlan(withItems(['things/99']), small)).rejects.toThrow(
      /"things\/99" in session 2, and things has no such/,
    );
    await expect(readPlan(withItems([first.items[0] as string]), small)).rejects.toThrow(
      /twice: in session 1 and in session 2/,
    );
    await expect(readPlan(path.join(folder, 'none.json'), small)).rejects.toMatchObject({ code: 'not-found' });
  });
});

it('shows what each session holds', () => {
  const plan = planSessions(digits, { setup: 'general', percent: 30, heldBack: 0.5, sessions: 5, seed: 0 });
  const previews = previewPlan(plan, digits);
  expect(previews[2]).toEqual({
    title: 'session 3',
    items: 600 + 4 * 64,
    classes: 6,
    own: [300, 300],
    others: [64, 64],
  });
  expect(previewText(plan, previews)).toBe(
    [
      'things, general-30, heldBack 0.5, seed 0: 5 sessions, 4,020 items',
      'session    items  classes  a class of its own  a class of the others',
      'session 1    600        2                 300                      –',
      'session 2    856        4                 300                    128',
      'session 3    856        6                 300                     64',
      'session 4    852        8                 300                     42',
      'session 5    856       10                 300                     32',
      '',
    ].join('\n'),
  );
});

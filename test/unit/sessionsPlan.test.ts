import { readFileSync, rmSync } from 'node:fs';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, expect, it, vi } from 'vitest';
import { runCli } from '../../src/cli/runCli.ts';
import type { CliServices } from '../../src/cli/services.ts';
import { loadConfig } from '../../src/core/config/loadConfig.ts';
import { findSessions, planBlock } from '../../src/core/pipeline/sessions/sessionsPlan.ts';
import { tinyTraining, writeConfig } from '../fixtures/training/tinyTraining.ts';

let folder: string;
beforeAll(async () => {
  folder = await tinyTraining();
});
afterEach(() => void vi.restoreAllMocks());
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function configOf(plans: Record<string, unknown>): Promise<string> {
  const block = { from: 'builtin:convnet', dimension: 6, data: 'tiny/train', queries: 'tiny/query', methods: ['cvs'] };
  const sessions = Object.fromEntries(Object.entries(plans).map(([name, plan]) => [name, { ...block, plan }]));
  await writeConfig(folder, {}, { sessions });
  return path.join(folder, 'backcompat.json');
}
const general = { setup: 'general', percent: 30, heldBack: 0.4, sessions: 2 };

/** @returns exit status and what was printed */
async function cli(...args: string[]): Promise<{ status: number; out: string; errors: string }> {
  const printed = { out: '', errors: '' };
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    printed.out += text;
    return true;
  });
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
    printed.errors += text;
    return true;
  });
  return { status: await runCli(['sessions', 'plan', ...args], {} as CliServices), ...printed };
}

it('shows a block’s plan, and exports it', async () => {
  const config = await configOf({ a: { setup: 'disjoint', sessions: 2, seed: 1 }, b: general });
  const file = path.join(folder, 'plan.json');
  const shown = await cli(config, '--name', 'b', '--json', file);
  expect(shown).toMatchObject({ status: 0, errors: '' });
  // 25 items a class, 10 of them wait: 30, then 30 and floor(3/7 x 30 / 2) = 6 of each of two classes.
  expect(shown.out.split('\n').slice(0, 4)).toEqual([
    'tiny/train, general-30, heldBack 0.4, seed 0: 2 sessions, 72 items',
    'session    items  classes  a class of its own  a class of the others',
    'session 1     30        2                  15                      –',
    'session 2     42        4                  15                      6',
  ]);
  const { plan } = await planBlock(await loadConfig(config), 'b');
  expect(JSON.parse(readFileSync(file, 'utf8'))).toEqual(plan);
  const printed = await cli(config, '--name', 'b', '--json', '-');
  expect(JSON.parse(printed.out)).toEqual(plan);
  expect(printed.errors).toContain('general-30');
});

it('says at the plan’s place what does not work, and what would', async () => {
  const config = await configOf({ b: { ...general, percent: 90 } });
  const { status, errors } = await cli(config);
  expect(status).toBe(2);
  expect(errors).toMatch(/backcompat\.json:\d+:\d+: error: Class "\d" of tiny\/train keeps 10 items/);
  // 25 a class: of n brought, 9 x 2 n / 2 = 9 n are drawn of 25 - n: n is at most 2, and .92 x 25 = 23 wait.
  expect(errors).toContain('The smallest "heldBack" that works here is 0.92.');
  await configOf({ b: { setup: 'blurry', sessions: 2 } });
  expect((await cli(config)).errors).toContain('gives no "percent"');
  await configOf({ b: { setup: 'disjoint', sessions: 9 } });
  expect((await cli(config)).errors).toContain('has 4 classes, too few for 9 sessions');
});

it('finds the block that is meant', async () => {
  const two = await loadConfig(await configOf({ a: general, b: general }));
  expect(findSessions(two, 'b').name).toBe('b');
  expect(() => findSessions(two, null)).toThrow(/has 2 blocks of sessions/);
  expect(() => findSessions(two, 'c')).toThrow(/no block of sessions "c"/);
  await writeConfig(folder);
  const none = await loadConfig(path.join(folder, 'backcompat.json'));
  expect(() => findSessions(none, null)).toThrow(/has no sessions/);
});

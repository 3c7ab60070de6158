/** The audit of a page by axe-core. */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { AxeResults, RunOptions } from 'axe-core';
import type { Page } from 'playwright-core';
import { expect } from 'vitest';

const source = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/**
 * What axe-core finds on the page as it now stands, a line a place: rule, impact, element, what is wrong. Hidden tabs
 * are not looked at.
 * @param options of axe-core itself: all rules by default
 */
export async function accessibilityFindings(page: Page, options: RunOptions = {}): Promise<string[]> {
  // By the debugger, which the page's policy does not stop.
  if (!(await page.evaluate(() => 'axe' in window))) await page.evaluate(source);
  const { violations } = await page.evaluate(
    (given) => (window as unknown as { axe: { run: (options: RunOptions) => Promise<AxeResults> } }).axe.run(given),
    { resultTypes: ['violations'], ...options } as const satisfies RunOptions,
  );
  return violations.flatMap(({ id, impact, nodes }) =>
    nodes.map(({ target, failureSummary = '' }) => {
      const why = failureSummary.split('\n').slice(1).join(' ').trim();
      return `${id} (${impact}) ${target.join(' ')}: ${why}`;
    }),
  );
}

/**
 * Fails where axe-core finds anything on the page as it now stands, minor things too.
 * @param where for the message: page, state, theme
 */
export async function expectAccessible(page: Page, where: string, options: RunOptions = {}): Promise<void> {
  expect.soft(await accessibilityFindings(page, options), where).toEqual([]);
}

import type { Page } from 'playwright-core';
import { describe, expect, it } from 'vitest';
import type { FollowedTraining } from '../../src/core/contract/followedTraining.ts';
import type { TrainingActions } from '../../src/protocol/training.ts';
import {
  doneTraining,
  liveTraining,
  sweepTraining,
  trainingPart,
  trainingRecord,
  trainingSteps,
} from '../fixtures/followedTraining.ts';
import { type OpenPage, overflow, pictures, settled, showState, troublesOf, useBrowser } from './buildPage.ts';
import type { ThemeName } from './themes.ts';

const live: TrainingActions = {
  asked: null,
  again: null,
  openReport: false,
  openRunFolder: true,
  openConfig: true,
  cliCommand: 'backcompat train backcompat.json --train v2-bct',
};
const done: TrainingActions = { ...live, openReport: true };
const ended: TrainingActions = { ...live, again: 'Resume' };

const browser = useBrowser();

async function show(page: Page, training: FollowedTraining, actions: TrainingActions): Promise<void> {
  await showState(page, { kind: 'training', training, actions });
  await page.waitForSelector('.training .finding');
  await settled(page);
}

async function shown(
  training: FollowedTraining,
  actions: TrainingActions,
  { theme = 'dark' as ThemeName, width = 1150 } = {},
): Promise<OpenPage> {
  const result = await browser.hosted(theme, { width, height: 900 });
  await show(result.page, training, actions);
  return result;
}

const sent = (page: Page) => page.evaluate(() => window.sent);

describe('a training in its panel', () => {
  it.each([
    ['live-dark', liveTraining(), live, 'dark', 1150],
    ['live-light', liveTraining(), live, 'light', 1150],
    ['live-contrast', liveTraining(), live, 'contrast', 1150],
    ['live-narrow', liveTraining(), live, 'dark', 640],
    ['sweep-dark', sweepTraining(), live, 'dark', 1150],
    ['sweep-narrow', sweepTraining(), live, 'light', 640],
    ['done-light', doneTraining(), done, 'light', 1150],
    ['stopped-dark', liveTraining({ state: 'stopped' }), ended, 'dark', 1150],
    [
      'start-dark',
      liveTraining({ record: null, steps: {}, progress: null, phase: 'Reading the datasets' }),
      live,
      'dark',
      1150,
    ],
    [
      'failed-dark',
      liveTraining({
        state: 'failed',
        record: null,
        steps: {},
        progress: null,
        message: `The training came to NaN in step 12; the first is in "${'layer.'.repeat(40)}weight".`,
        remedy: 'Lower "learningRate" of the optimizer.',
        name: `a-name-${'x'.repeat(120)}`,
      }),
      { ...live, again: 'Run Again' },
      'dark',
      640,
    ],
  ] as const)('%s fits, without a trouble', async (name, training, actions, theme, width) => {
    const panel = await shown(training, actions, { theme, width });
    await panel.page.screenshot({ path: `${pictures}training-${name}.png`, fullPage: true });
    expect(await overflow(panel.page)).toBe(0);
    expect(await troublesOf(panel)).toEqual([]);
  });

  it('says how the model stands, and what each chart shows', async () => {
    const { page } = await shown(liveTraining(), live);
    expect(await page.locator('.finding').innerText()).toBe(
      'Training v2-bct, epoch 13 of 30: new/old mAP is .708; the model ranks better than the old model since epoch 5.',
    );
    const facts = (await page.locator('.training-facts').innerText()).replace(/\s+/g, ' ');
    expect(facts).toContain('step 4,250 of 10,260 41 %');
    expect(facts).toContain('gone 7 min 0 s');
    expect(facts).toContain('left, without audits about 4 min 41 s');
    expect(facts).toContain('over old/old +.152 [+.133, +.171]');
    const names = await page.locator('canvas').evaluateAll((all) => all.map((each) => each.getAttribute('aria-label')));
    expect(names[0]).toMatch(
      /New\/old passed old\/old at epoch 5.*Epoch 12: new\/old \.708, new\/new \.888, old\/old \.556/,
    );
    expect(names.slice(1)).toEqual([
      expect.stringMatching(/^Loss: classification/),
      '96 % of same-class distances grew',
      '1.3 % of queries went from right to wrong',
      'A step takes 37 ms',
    ]);
  });

  it('moves with the run: the focus stays, charts are redrawn, readers hear an epoch once', async () => {
    const panel = await shown(liveTraining(), live);
    const { page } = panel;
    await page.getByRole('button', { name: 'Pause' }).focus();
    await page.evaluate(() => {
      const region = document.querySelector('.training .heard-only');
      Object.assign(window, { heard: [] });
      new MutationObserver(() =>
        (window as unknown as { heard: string[] }).heard.push(region?.textContent ?? ''),
      ).observe(region as Element, { childList: true });
    });
    for (const done of [4284, 4318, 4352]) {
      const progress = { done, total: 10_260, unit: 'steps' };
      await show(page, liveTraining({ progress, steps: { '': trainingSteps(done) } }), live);
    }
    expect(await page.evaluate(() => document.activeElement?.textContent)).toBe('Pause');
    expect(await page.locator('.training-facts').innerText()).toContain('step 4,352 of 10,260');
    const heard = () => page.evaluate(() => (window as unknown as { heard: string[] }).heard);
    expect(await heard()).toEqual([]);
    await show(page, liveTraining({ record: trainingRecord([trainingPart(13)]) }), live);
    expect(await heard()).toEqual([expect.stringContaining('epoch 14 of 30')]);
    expect(await page.locator('canvas').first().getAttribute('aria-label')).toContain('Epoch 13:');
    expect(await troublesOf(panel)).toEqual([]);
  });

  it('sends what its buttons say, and says what was asked', async () => {
    const { page } = await shown(liveTraining(), live);
    await page.getByRole('button', { name: 'Pause' }).click();
    await page.getByRole('button', { name: 'Cancel' }).click();
    expect(await sent(page)).toEqual([{ type: 'ready' }, { type: 'pauseRun' }, { type: 'cancelRun' }]);
    await show(page, liveTraining(), { ...live, asked: 'pause' });
    expect(await page.getByRole('button', { name: 'Pausing' }).isDisabled()).toBe(true);
    expect(await page.getByRole('button', { name: 'Cancel' }).isEnabled()).toBe(true);
    await show(page, liveTraining(), { ...live, asked: 'cancel' });
    expect(await page.getByRole('button', { name: 'Cancelling' }).isDisabled()).toBe(true);
    expect(await page.getByRole('button', { name: /Paus/ }).count()).toBe(0);
  });

  it('says where one that ended stands, and resumes it', async () => {
    const { page } = await shown(liveTraining({ state: 'stopped' }), ended);
    expect(await page.locator('.finding').innerText()).toMatch(/^Stopped at step 4,250 of 10,260/);
    await page.getByRole('button', { name: 'Resume' }).click();
    expect(await sent(page)).toContainEqual({ type: 'resumeOrRestart' });
    expect(await page.getByRole('button', { name: 'Cancel' }).count()).toBe(0);
  });

  it('shows the audits of the result and the paragon side by side, and opens the report', async () => {
    const { page } = await shown(doneTraining(), done);
    expect(
      await page.getByRole('heading', { name: 'Compatibility costs .007 mAP against the paragon' }).isVisible(),
    ).toBe(true);
    const rows = await page.getByRole('table', { name: 'models' }).getByRole('row').allInnerTexts();
    expect(rows.map((row) => row.replace(/\s+/g, ' ').trim()).slice(1)).toEqual([
      'old model v1 .556 .556 – to beat',
      'the paragon .120 .896 .000 incompatible',
      'v2-bct .722 .889 +.007 compatible',
    ]);
    const training = doneTraining();
    const [audit] = training.audits.slice(1);
    const record = trainingRecord([trainingPart(30, { state: 'done', resultEpoch: 30 })], { chosen: '' });
    const paragon = { name: 'v2-free', newOld: 0.12, newNew: 0.896 };
    await show(page, { ...training, record, audits: audit === undefined ? [] : [{ ...audit, paragon }] }, done);
    expect((await page.getByRole('row', { name: /v2-free/ }).innerText()).replace(/\s+/g, ' ').trim()).toBe(
      'paragon v2-free .120 .896 .000 trained apart',
    );
    await page.getByRole('button', { name: 'Open Report' }).click();
    expect(await sent(page)).toContainEqual({ type: 'openReport' });
  });

  it('draws the trade-off of a sweep, and any of its models', async () => {
    const { page } = await shown(sweepTraining(), live);
    expect(
      await page
        .getByRole('heading', { name: 'λ 1 ranks best on the old gallery (mAP .708), λ 0.1 on its own (.893)' })
        .isVisible(),
    ).toBe(true);
    await page.getByRole('combobox', { name: 'Model whose curves are shown' }).selectOption('lambda-0.5');
    await settled(page);
    expect(await page.locator('canvas').first().getAttribute('aria-label')).toContain('Epoch 30:');
  });

  it('saves a chart as a picture and as rows', async () => {
    const { page } = await shown(liveTraining(), live);
    await page.getByRole('button', { name: /^held out metric/ }).click();
    await page.getByRole('menuitem', { name: /CSV/ }).click();
    const [saved] = (await sent(page)).filter((message) => message.type === 'saveFile');
    expect(saved).toMatchObject({ name: 'held-out-metric.csv' });
    const lines = saved && 'text' in saved ? saved.text.split('\n') : [];
    expect(lines).toHaveLength(14);
    expect(lines[0]).toBe('epoch,step,new/old,new/new,old/old,difference,low,high');
  });
});

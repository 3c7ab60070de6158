/** axe-core over every page and tab: all of its rules once, what depends on colours in the four kinds of theme. */
import type { RunOptions } from 'axe-core';
import type { Page } from 'playwright-core';
import { describe, expect, it } from 'vitest';
import { comparedCurves } from '../../src/core/contract/comparison.ts';
import { compareReports } from '../../src/core/report/compareReports.ts';
import type { PageState } from '../../src/protocol/messages.ts';
import type { TrainingActions } from '../../src/protocol/training.ts';
import { doneTraining, liveTraining, sweepTraining } from '../fixtures/followedTraining.ts';
import { fullReport, hostileFullReport, unlabelledReport } from '../fixtures/report/fullReport.ts';
import { bareReport } from '../fixtures/report/sampleReport.ts';
import { accessibilityFindings, expectAccessible } from './accessibility.ts';
import { answerQuestions, madeUpAnswers } from './browserHost.ts';
import { allActions, chooseTab, liveAudit, settled, showReport, showState, tabNames, useBrowser } from './buildPage.ts';
import { textsOf } from './previews.ts';
import { type ThemeName, themes } from './themes.ts';

const themeNames = Object.keys(themes) as ThemeName[];

const browser = useBrowser();
const hosted = async (theme: ThemeName): Promise<Page> => (await browser.hosted(theme)).page;

const training: TrainingActions = {
  asked: null,
  again: null,
  openReport: true,
  openRunFolder: true,
  openConfig: true,
  cliCommand: 'backcompat train backcompat.json --train v2-bct',
};
const failure = {
  title: 'The audit failed',
  message: 'labels.csv, row 812: the label is empty.',
  remedy: 'Give every item a label.',
  again: 'Run Again' as const,
  openRunFolder: true,
  openConfig: true,
};
const colours: RunOptions = { runOnly: ['color-contrast'] };
/** Colours are the slow part, and looked at theme by theme. */
const others: RunOptions = { rules: { 'color-contrast': { enabled: false } } };

function comparison(): PageState {
  const reports = [fullReport(), unlabelledReport(), bareReport()];
  const curves = reports.map(comparedCurves);
  return {
    kind: 'compare',
    comparison: compareReports(reports, [null, 'λ 0.5', null]),
    curves,
    cliCommand: 'backcompat compare a b c',
  };
}

/** Everything but the report. */
const states: Readonly<Record<string, PageState>> = {
  loading: { kind: 'loading', phase: null },
  running: { kind: 'running', run: liveAudit },
  'running, being cancelled': { kind: 'running', run: { ...liveAudit, done: null, total: null, cancelling: true } },
  failed: { kind: 'failed', failure },
  cancelled: { kind: 'failed', failure: { ...failure, title: 'The audit was cancelled', cancelled: true } },
  'training, live': { kind: 'training', training: liveTraining(), actions: training },
  'training, done': { kind: 'training', training: doneTraining(), actions: training },
  'training, sweep': { kind: 'training', training: sweepTraining(), actions: training },
  'training, stopped': {
    kind: 'training',
    training: liveTraining({ state: 'stopped' }),
    actions: { ...training, again: 'Resume' },
  },
  comparison: comparison(),
};

async function openBrowser(page: Page): Promise<void> {
  await answerQuestions(page, madeUpAnswers({ content: 'pictures' }));
  await showReport(page, fullReport(), { ...allActions, browse: { possible: true, why: null } });
  await chooseTab(page, 'Retrieval');
  await page.locator('.browser').scrollIntoViewIfNeeded();
  await page.getByRole('grid', { name: /^Nearest/ }).waitFor();
  await settled(page);
}

describe('every page', () => {
  it.each([
    ['full', fullReport],
    ['bare', bareReport],
    ['unlabelled', unlabelledReport],
    ['hostile', hostileFullReport],
  ] as const)('of the %s report passes every rule', async (name, make) => {
    const page = await hosted('dark');
    const report = make();
    await showReport(
      page,
      report,
      allActions,
      textsOf(report, (id) => `The text of ${id}`),
    );
    for (const tab of tabNames) {
      await chooseTab(page, tab);
      await expectAccessible(page, `${name}, ${tab}`, others);
    }
  });

  it('without a report passes every rule', async () => {
    const page = await hosted('dark');
    for (const [name, state] of Object.entries(states)) {
      // Anew each time: a live page only moves on.
      await showState(page, states.loading);
      await showState(page, state);
      await settled(page);
      await expectAccessible(page, name, others);
    }
  });

  it('of single queries passes every rule', async () => {
    const page = await hosted('dark');
    await openBrowser(page);
    await expectAccessible(page, 'retrieval browser', others);
  });
});

describe.each(themeNames)('in %s', (theme) => {
  it('every text stands out from its background', async () => {
    const page = await hosted(theme);
    const look = (where: string) => expectAccessible(page, `${theme}, ${where}`, colours);
    for (const name of ['running', 'failed', 'training, live', 'comparison']) {
      await showState(page, states[name]);
      await settled(page);
      await look(name);
    }
    await openBrowser(page);
    for (const tab of tabNames) {
      await chooseTab(page, tab);
      await look(tab);
    }
    await chooseTab(page, 'Retrieval');
    await page.getByRole('button', { name: 'cmc: table and export' }).click();
    await look('menu');
    await page.getByRole('menuitem', { name: 'Show as Table' }).click();
    await look('table instead of a chart');
  });
});

describe('the audit itself', () => {
  it('finds a button without a name and a text that fades', async () => {
    const page = await hosted('light');
    await showState(page, { kind: 'failed', failure });
    await page.evaluate(() => {
      document.querySelector('main')?.append(document.createElement('button'));
      document.querySelector<HTMLElement>('.failed-message')?.style.setProperty('color', '#999');
    });
    const found = await accessibilityFindings(page);
    expect(found.filter((line) => line.startsWith('button-name (critical)'))).toHaveLength(1);
    expect(found.filter((line) => line.startsWith('color-contrast (serious)'))).toHaveLength(1);
  });
});

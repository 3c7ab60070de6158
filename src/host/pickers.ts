import * as vscode from 'vscode';
import type { RunSummary } from '../core/contract/runs.ts';
import { type FoundConfig, shortPath } from './configStore.ts';
import { momentWords, runIcon, runWords } from './words.ts';

interface Choice<T> extends vscode.QuickPickItem {
  value: T;
}

/** The only candidate, or the one the user picks; undefined when there is none or the user leaves. */
async function pick<T>(choices: readonly Choice<T>[], title: string): Promise<T | undefined> {
  const [only] = choices;
  if (choices.length <= 1) return only?.value;
  const chosen = await vscode.window.showQuickPick(choices, { title, matchOnDescription: true, matchOnDetail: true });
  return chosen?.value;
}

/** A pair or block among those of all configs; undefined when the user leaves. */
export function pickNamed<T extends { config: FoundConfig; name: string; description: string }>(
  candidates: readonly T[],
  title: string,
): Promise<T | undefined> {
  const severalConfigs = new Set(candidates.map(({ config }) => config)).size > 1;
  const choices = candidates.map((value) => ({
    label: value.name,
    description: value.description,
    detail: severalConfigs ? value.config.label : undefined,
    value,
  }));
  return pick(choices, title);
}

export function pickConfig(configs: readonly FoundConfig[]): Promise<vscode.Uri | undefined> {
  return pick(
    configs.map(({ uri, label }) => ({ label, value: uri })),
    vscode.l10n.t('Which config?'),
  );
}

export function pickRun(runs: readonly RunSummary[], title: string): Promise<RunSummary | undefined> {
  return pick(runs.map(runChoice), title);
}

const browse = Symbol('browse');

/** A report of a run, or of a file anywhere. Always asks: the file dialog is one of the answers. */
export async function pickReport(
  runs: readonly RunSummary[],
  title: string,
): Promise<RunSummary | vscode.Uri | undefined> {
  const choices: Choice<RunSummary | typeof browse>[] = [
    ...runs.map(runChoice),
    { label: `$(folder-opened) ${vscode.l10n.t('Choose a file…')}`, value: browse, alwaysShow: true },
  ];
  const chosen = await vscode.window.showQuickPick(choices, { title, matchOnDescription: true });
  if (chosen?.value !== browse) return chosen?.value;
  const files = await vscode.window.showOpenDialog({ title, filters: { [vscode.l10n.t('Reports')]: ['json'] } });
  return files?.[0];
}

/** The reports to hold against each other, in the order of the list; none when the user leaves. */
export async function pickReports(runs: readonly RunSummary[], isOneGiven: boolean): Promise<readonly RunSummary[]> {
  const needed = isOneGiven ? 1 : 2;
  if (runs.length < needed) {
    const few = vscode.l10n.t('A comparison needs two reports; audit another pair, or the same one again.');
    void vscode.window.showInformationMessage(few);
    return [];
  }
  const title = isOneGiven ? vscode.l10n.t('Compare with which reports?') : vscode.l10n.t('Compare which reports?');
  const options = { title, canPickMany: true, matchOnDescription: true } as const;
  const chosen = await vscode.window.showQuickPick(runs.map(runChoice), options);
  if (chosen !== undefined && chosen.length < needed) {
    void vscode.window.showInformationMessage(vscode.l10n.t('Choose at least {0} reports.', needed));
    return [];
  }
  return chosen?.map(({ value }) => value) ?? [];
}

function runChoice(run: RunSummary): Choice<RunSummary> {
  return {
    label: `$(${runIcon(run).icon}) ${run.name}`,
    description: `${runWords(run)} · ${momentWords(run.created)}`,
    detail: run.configFile === null ? undefined : shortPath(run.configFile),
    value: run,
  };
}

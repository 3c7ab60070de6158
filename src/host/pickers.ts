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

/** A pair among those of all configs. */
export function pickPair(configs: readonly FoundConfig[]): Promise<{ config: vscode.Uri; pair: string } | undefined> {
  const choices = configs.flatMap((config) =>
    config.pairs.map((pair) => ({
      label: pair.name,
      description: vscode.l10n.t('{0} (old) against {1} (new)', pair.old, pair.new),
      detail: configs.length > 1 ? config.label : undefined,
      value: { config: config.uri, pair: pair.name },
    })),
  );
  return pick(choices, vscode.l10n.t('Audit which pair?'));
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
export async function pickReport(runs: readonly RunSummary[]): Promise<RunSummary | vscode.Uri | undefined> {
  const choices: Choice<RunSummary | typeof browse>[] = [
    ...runs.map(runChoice),
    { label: `$(folder-opened) ${vscode.l10n.t('Choose a file…')}`, value: browse, alwaysShow: true },
  ];
  const title = vscode.l10n.t('Open which report?');
  const chosen = await vscode.window.showQuickPick(choices, { title, matchOnDescription: true });
  if (chosen?.value !== browse) return chosen?.value;
  const files = await vscode.window.showOpenDialog({ title, filters: { [vscode.l10n.t('Reports')]: ['json'] } });
  return files?.[0];
}

function runChoice(run: RunSummary): Choice<RunSummary> {
  return {
    label: `$(${runIcon(run).icon}) ${run.name}`,
    description: `${runWords(run)} · ${momentWords(run.created)}`,
    detail: run.configFile === null ? undefined : shortPath(run.configFile),
    value: run,
  };
}

import * as vscode from 'vscode';
import type { RunSummary } from '../core/contract/runs.ts';
import { commandIds, itemContexts } from './ids.ts';
import type { RunStore } from './runStore.ts';
import { treeIcon } from './treeIcon.ts';
import { isResumable, momentWords, runIcon, runWords } from './words.ts';

export interface RunNode {
  run: RunSummary;
}

/** Live and finished runs, newest first. */
export class RunsView implements vscode.TreeDataProvider<RunNode>, vscode.Disposable {
  readonly #runs: RunStore;
  readonly #changed = new vscode.EventEmitter<void>();
  readonly #subscriptions: vscode.Disposable[];
  readonly onDidChangeTreeData = this.#changed.event;

  constructor(runs: RunStore) {
    this.#runs = runs;
    this.#subscriptions = [this.#changed, runs.onDidChange(() => this.#changed.fire())];
  }

  getChildren(node?: RunNode): RunNode[] {
    return node === undefined ? this.#runs.runs.map((run) => ({ run })) : [];
  }

  getTreeItem({ run }: RunNode): vscode.TreeItem {
    const item = new vscode.TreeItem(run.name);
    item.id = run.directory;
    // What matters most comes first: a narrow side bar cuts the end.
    item.description = `${runWords(run)} · ${run.kind} · ${momentWords(run.created)}`;
    item.iconPath = treeIcon(runIcon(run));
    item.contextValue = contextOf(run);
    item.tooltip = tooltipOf(run);
    item.accessibilityInformation = {
      label: `${run.name}, ${run.kind}, ${runWords(run)}, ${momentWords(run.created)}`,
    };
    item.command = { command: commandIds.openRun, title: vscode.l10n.t('Open'), arguments: [{ run }] };
    return item;
  }

  dispose(): void {
    vscode.Disposable.from(...this.#subscriptions).dispose();
  }
}

function contextOf(run: RunSummary): string {
  if (run.state === 'running') return run.kind === 'train' ? itemContexts.liveTraining : itemContexts.liveRun;
  if (isResumable(run)) return itemContexts.resumableRun;
  return run.report === null ? itemContexts.endedRun : itemContexts.reportedRun;
}

/** Plain text: messages and paths are data, not Markdown. */
function tooltipOf(run: RunSummary): string {
  const dead = run.state === 'stopped' ? vscode.l10n.t('Its process ended without a last word.') : null;
  return [dead, run.message, run.remedy, run.directory].filter((line) => line !== null).join('\n');
}

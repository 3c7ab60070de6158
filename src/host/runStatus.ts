import * as vscode from 'vscode';
import { commandIds } from './ids.ts';
import type { RunStore } from './runStore.ts';
import { runWords } from './words.ts';

/** One status bar item while a run lives: what, how far, a click opens it. */
export class RunStatus implements vscode.Disposable {
  readonly #runs: RunStore;
  readonly #item = vscode.window.createStatusBarItem('backcompat.run', vscode.StatusBarAlignment.Left, 10);
  readonly #subscription: vscode.Disposable;

  constructor(runs: RunStore) {
    this.#runs = runs;
    this.#item.name = vscode.l10n.t('Backcompat Run');
    this.#subscription = runs.onDidChange(() => this.#update());
  }

  #update(): void {
    const [latest, ...others] = this.#runs.liveRuns;
    if (latest === undefined) {
      this.#item.hide();
      return;
    }
    const more = others.length > 0 ? ` (+${others.length})` : '';
    this.#item.text = `$(sync~spin) ${latest.kind} ${latest.name}: ${runWords(latest)}${more}`;
    this.#item.tooltip = vscode.l10n.t('Open the run');
    this.#item.command = {
      command: commandIds.openRun,
      title: vscode.l10n.t('Open'),
      arguments: [{ run: latest }],
    };
    this.#item.show();
  }

  dispose(): void {
    this.#subscription.dispose();
    this.#item.dispose();
  }
}

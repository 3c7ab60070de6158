import * as vscode from 'vscode';
import type { RunSummary } from '../core/contract/runs.ts';
import { commandIds } from './ids.ts';
import type { RunPanels } from './runPanel.ts';
import type { RunStore } from './runStore.ts';

const KEY = 'backcompat.askedRuns';

/**
 * Says how the runs that this workspace asked for have ended, also when the window was reloaded meanwhile.
 * Silent when the run's panel is in view (it says it better), and about runs that a task or a terminal started.
 */
export class RunNotices implements vscode.Disposable {
  readonly #memory: vscode.Memento;
  readonly #runs: RunStore;
  readonly #panels: RunPanels;
  readonly #subscription: vscode.Disposable;

  constructor(memory: vscode.Memento, runs: RunStore, panels: RunPanels) {
    this.#memory = memory;
    this.#runs = runs;
    this.#panels = panels;
    this.#subscription = runs.onDidChange(() => void this.#look());
  }

  async expect(directory: string): Promise<void> {
    await this.#memory.update(KEY, [...this.#asked, directory]);
  }

  get #asked(): readonly string[] {
    return this.#memory.get<string[]>(KEY, []);
  }

  async #look(): Promise<void> {
    const asked = this.#asked;
    const ended = asked.flatMap((directory) => {
      const run = this.#runs.find(directory);
      return run !== undefined && run.state !== 'running' ? [run] : [];
    });
    if (ended.length === 0) return;
    await this.#memory.update(
      KEY,
      asked.filter((directory) => !ended.some((run) => run.directory === directory)),
    );
    for (const run of ended) if (!this.#panels.isVisible(run.directory)) void notify(run);
  }

  dispose(): void {
    this.#subscription.dispose();
  }
}

async function notify(run: RunSummary): Promise<void> {
  // Somebody has asked for it.
  if (run.state === 'cancelled' || run.state === 'paused') return;
  const succeeded = run.state === 'done';
  const open = succeeded ? vscode.l10n.t('Open Report') : vscode.l10n.t('Show');
  const said = run.message ?? vscode.l10n.t('its process ended without saying why');
  const text = `${run.name}: ${said}`;
  const answer = succeeded
    ? await vscode.window.showInformationMessage(text, open)
    : await vscode.window.showErrorMessage(text, open);
  if (answer === open) await vscode.commands.executeCommand(commandIds.openRun, { run });
}

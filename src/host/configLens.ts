import * as vscode from 'vscode';
import type { RunSummary } from '../core/contract/runs.ts';
import { namedBlocks } from './configFiles.ts';
import type { ConfigStore } from './configStore.ts';
import { configSelector } from './diagnostics.ts';
import { commandIds } from './ids.ts';
import type { RunStore } from './runStore.ts';
import { isResumable, runWords } from './words.ts';

/** Above each pair and training block of a config: what can be done with it, and how its last run ended. */
export class ConfigLens implements vscode.CodeLensProvider, vscode.Disposable {
  readonly #runs: RunStore;
  readonly #changed = new vscode.EventEmitter<void>();
  readonly #subscription: vscode.Disposable;
  readonly onDidChangeCodeLenses = this.#changed.event;

  constructor(configs: ConfigStore, runs: RunStore) {
    this.#runs = runs;
    const fire = () => this.#changed.fire();
    this.#subscription = vscode.Disposable.from(
      this.#changed,
      configs.onDidChange(fire),
      runs.onDidChange(fire),
      vscode.languages.registerCodeLensProvider(configSelector, this),
    );
  }

  provideCodeLenses(document: vscode.TextDocument): vscode.CodeLens[] {
    const config = document.uri.fsPath;
    return namedBlocks(document.getText()).flatMap(({ kind, name, offset }) => {
      const start = document.positionAt(offset);
      const range = new vscode.Range(start, start);
      const lens = (title: string, command: string, argument: unknown) =>
        new vscode.CodeLens(range, { title, command, arguments: [argument] });
      const [latest] = this.#runs.runsOf(document.uri, name, kind === 'pair' ? 'audit' : 'train');
      const trusted = vscode.workspace.isTrusted;
      const last = latest === undefined ? [] : [lastLens(latest, lens)];
      if (!trusted) return last;
      if (kind === 'pair') {
        const pair = { config, pair: name };
        return [
          lens(`$(play) ${vscode.l10n.t('Audit')}`, commandIds.runAudit, pair),
          lens(vscode.l10n.t('Train…'), commandIds.trainModel, pair),
          ...last,
        ];
      }
      const training = { config, training: name };
      const resume = latest !== undefined && isResumable(latest);
      return [
        lens(`$(play) ${vscode.l10n.t('Train')}`, commandIds.runTraining, training),
        ...(resume ? [lens(vscode.l10n.t('Resume'), commandIds.resumeRun, { run: latest })] : []),
        ...last,
      ];
    });
  }

  dispose(): void {
    this.#subscription.dispose();
  }
}

function lastLens(
  run: RunSummary,
  lens: (title: string, command: string, argument: unknown) => vscode.CodeLens,
): vscode.CodeLens {
  return run.report !== null && run.state === 'done'
    ? lens(vscode.l10n.t('Open Report ({0})', runWords(run)), commandIds.openReport, { run })
    : lens(runWords(run), commandIds.openRun, { run });
}

import * as vscode from 'vscode';
import type { ComparedFile } from '../core/pipeline/training/comparedReports.ts';
import { comparePageOf, keptComparison, parseKeptComparison } from './compareState.ts';
import { comparePanelId } from './ids.ts';
import { plainFailure } from './pageFailure.ts';
import type { PageSubject } from './pageIntents.ts';
import { ReportPage, showLost } from './reportPage.ts';
import type { Services } from './services.ts';

/** One panel a set of reports that are held against each other. */
export class ComparePanels implements vscode.Disposable, vscode.WebviewPanelSerializer {
  readonly #services: Services;
  readonly #panels = new Map<string, vscode.WebviewPanel>();
  readonly #registration: vscode.Disposable;

  constructor(services: Services) {
    this.#services = services;
    this.#registration = vscode.window.registerWebviewPanelSerializer(comparePanelId, this);
  }

  /** Shows these reports, the first as what the others are compared with. */
  async open(compared: readonly ComparedFile[]): Promise<void> {
    const known = this.#panels.get(keyOf(compared));
    if (known !== undefined) return known.reveal();
    const column = vscode.window.activeTextEditor?.viewColumn ?? vscode.ViewColumn.Active;
    const title = vscode.l10n.t('Comparison');
    await this.#adopt(vscode.window.createWebviewPanel(comparePanelId, title, column), compared);
  }

  /** After a reload: the page has kept the files. */
  async deserializeWebviewPanel(panel: vscode.WebviewPanel, state: unknown): Promise<void> {
    const compared = parseKeptComparison(state);
    if (compared !== null) return this.#adopt(panel, compared);
    const title = vscode.l10n.t('This page lost its reports');
    const why = vscode.l10n.t('The window was closed before the page had kept which reports it shows.');
    const remedy = vscode.l10n.t('Compare them again; they lost nothing.');
    showLost(panel, this.#services, plainFailure(title, why, remedy));
  }

  async #adopt(panel: vscode.WebviewPanel, compared: readonly ComparedFile[]): Promise<void> {
    const key = keyOf(compared);
    let subject: PageSubject = { directory: null, report: null };
    panel.iconPath = vscode.Uri.joinPath(this.#services.context.extensionUri, 'media/report.svg');
    const page = new ReportPage(panel.webview, this.#services, {
      title: panel.title,
      subject: () => subject,
      restore: keptComparison(compared),
    });
    this.#panels.set(key, panel);
    panel.onDidDispose(() => {
      page.dispose();
      if (this.#panels.get(key) === panel) this.#panels.delete(key);
    });
    const state = await comparePageOf(compared);
    if (state.kind === 'compare') {
      const { comparison } = state;
      subject = { ...subject, compared: { comparison, files: compared.map(({ file }) => file) } };
      const pairs = [...new Set(comparison.reports.map(({ pair }) => pair))];
      panel.title = vscode.l10n.t('Comparison: {0}', pairs.join(' · '));
    }
    page.show(state);
  }

  dispose(): void {
    this.#registration.dispose();
  }
}

function keyOf(compared: readonly ComparedFile[]): string {
  return compared.map(({ file }) => file).join('\n');
}

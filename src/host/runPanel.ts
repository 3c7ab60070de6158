import * as vscode from 'vscode';
import { asBackcompatError } from '../core/contract/errors.ts';
import type { RunSummary } from '../core/contract/runs.ts';
import { readRun } from '../core/runs/readRun.ts';
import { isCancelRequested, isPauseRequested } from '../core/runs/runDirectory.ts';
import { RunReader } from '../core/runs/runReader.ts';
import type { PageState } from '../protocol/messages.ts';
import type { FoundConfig } from './configStore.ts';
import { runPanelId } from './ids.ts';
import { plainFailure } from './pageFailure.ts';
import { actionsFor, type PageSubject } from './pageIntents.ts';
import { ReportPage, showLost } from './reportPage.ts';
import { pageStateOf, type RunSurroundings } from './runState.ts';
import type { Services } from './services.ts';
import { TrainingFollower } from './trainingState.ts';
import { momentWords } from './words.ts';

/** A run's page moves twice a second while the run lives. */
const FOLLOW_INTERVAL_MS = 500;

/** One panel a run: first its progress, then, in the same place, its report. */
export class RunPanels implements vscode.Disposable, vscode.WebviewPanelSerializer {
  readonly #services: Services;
  readonly #panels = new Map<string, RunPanel>();
  readonly #registration: vscode.Disposable;

  constructor(services: Services) {
    this.#services = services;
    this.#registration = vscode.window.registerWebviewPanelSerializer(runPanelId, this);
  }

  /** Shows the panel of a run, a new one when there is none. */
  open(directory: string): void {
    const known = this.#panels.get(directory);
    if (known !== undefined) {
      known.panel.reveal();
      // It may have been resumed.
      known.look();
      return;
    }
    const column = vscode.window.activeTextEditor?.viewColumn ?? vscode.ViewColumn.Active;
    this.#adopt(vscode.window.createWebviewPanel(runPanelId, vscode.l10n.t('Run'), column), directory);
  }

  isVisible(directory: string): boolean {
    return this.#panels.get(directory)?.panel.visible ?? false;
  }

  /** After a reload: the page has kept the directory, the directory has kept everything else. */
  async deserializeWebviewPanel(panel: vscode.WebviewPanel, state: unknown): Promise<void> {
    const directory = (state as { run?: unknown } | null)?.run;
    if (typeof directory === 'string') this.#adopt(panel, directory);
    else {
      const title = vscode.l10n.t('This page lost its run');
      const why = vscode.l10n.t('The window was closed before the page had kept which run it shows.');
      const remedy = vscode.l10n.t('Open the run from the Runs view; the run itself lost nothing.');
      showLost(panel, this.#services, plainFailure(title, why, remedy));
    }
  }

  #adopt(panel: vscode.WebviewPanel, directory: string): void {
    const runPanel = new RunPanel(this.#services, panel, directory);
    this.#panels.set(directory, runPanel);
    panel.onDidDispose(() => {
      runPanel.dispose();
      if (this.#panels.get(directory) === runPanel) this.#panels.delete(directory);
    });
  }

  dispose(): void {
    this.#registration.dispose();
    for (const runPanel of this.#panels.values()) runPanel.dispose();
  }
}

class RunPanel implements vscode.Disposable {
  readonly panel: vscode.WebviewPanel;
  readonly #services: Services;
  readonly #directory: string;
  readonly #page: ReportPage;
  readonly #reader: RunReader;
  readonly #training: TrainingFollower;
  #subject: PageSubject;
  #shown = '';
  #timer: NodeJS.Timeout | undefined;
  #disposed = false;
  #isFollowing = false;
  readonly #subscription: vscode.Disposable;

  constructor(services: Services, panel: vscode.WebviewPanel, directory: string) {
    this.#services = services;
    this.panel = panel;
    this.#directory = directory;
    this.#reader = new RunReader(directory);
    this.#training = new TrainingFollower(directory);
    this.#subject = { directory, report: null };
    panel.iconPath = vscode.Uri.joinPath(services.context.extensionUri, 'media/report.svg');
    this.#page = new ReportPage(panel.webview, services, {
      title: panel.title,
      subject: () => this.#subject,
      restore: { run: directory },
    });
    this.#subscription = services.runs.onDidChange(() => this.look());
    void this.#follow();
  }

  /** Looks again at a run that was not followed any more: it may have been resumed, or deleted. */
  look(): void {
    if (!this.#isFollowing) void this.#follow();
  }

  async #follow(): Promise<void> {
    this.#isFollowing = true;
    let live = false;
    try {
      // `readRun` only where there is none: it says what is wrong.
      const run = (await this.#reader.read((event) => this.#training.add(event))) ?? (await readRun(this.#directory));
      live = run.state === 'running';
      await this.#show(run);
    } catch (error) {
      const { message, remedy } = asBackcompatError(error);
      const failure = plainFailure(vscode.l10n.t('This run cannot be opened'), message, remedy);
      const state: PageState = { kind: 'failed', failure };
      const relevant = JSON.stringify(state);
      if (relevant !== this.#shown && !this.#disposed) this.#page.show(state);
      this.#shown = relevant;
    }
    this.#isFollowing = live && !this.#disposed;
    if (this.#isFollowing) this.#timer = setTimeout(() => void this.#follow(), FOLLOW_INTERVAL_MS);
  }

  async #show(run: RunSummary): Promise<void> {
    // The heartbeat moves `updated` also when nothing that is shown has changed.
    const cancelling = run.state === 'running' && isCancelRequested(this.#directory);
    const pausing = run.state === 'running' && isPauseRequested(this.#directory);
    const version = run.kind === 'train' ? await this.#training.refresh() : 0;
    const relevant = JSON.stringify([{ ...run, updated: '' }, cancelling, pausing, version]);
    if (relevant === this.#shown || this.#disposed) return;
    this.#shown = relevant;
    // Several runs of a pair may be open: the time tells them apart.
    this.panel.title = `${run.name} · ${momentWords(run.created)}`;
    this.#subject = { directory: this.#directory, report: run.report };
    const config = this.#services.configs.configs.find(({ uri }) => uri.fsPath === run.configFile);
    const pair = sidesOf(config, run);
    const trusted = vscode.workspace.isTrusted;
    const actions = await actionsFor(this.#services, this.#subject);
    const asked = cancelling ? 'cancel' : pausing ? 'pause' : null;
    const oldName = pair?.old ?? null;
    const training = run.kind === 'train' ? this.#training.page(run, { oldName, asked, trusted, actions }) : null;
    const state = training ?? (await pageStateOf(run, { pair, cancelling, trusted, actions }));
    if (!this.#disposed) this.#page.show(state);
  }

  dispose(): void {
    this.#disposed = true;
    clearTimeout(this.#timer);
    this.#subscription.dispose();
    this.#page.dispose();
  }
}

/** The models that a run is about. */
function sidesOf(config: FoundConfig | undefined, run: RunSummary): RunSurroundings['pair'] {
  if (run.kind === 'audit') return config?.pairs.find(({ name }) => name === run.name) ?? null;
  const block = config?.training.find(({ name }) => name === run.name);
  return block?.old ? { old: block.old, new: block.name } : null;
}

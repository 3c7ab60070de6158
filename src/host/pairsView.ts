import * as vscode from 'vscode';
import type { RunSummary } from '../core/contract/runs.ts';
import type { ConfigStore, ConfiguredPair, ConfiguredTraining, FoundConfig } from './configStore.ts';
import { commandIds, itemContexts } from './ids.ts';
import { readHeadline } from './reportFile.ts';
import type { RunStore } from './runStore.ts';
import { treeIcon } from './treeIcon.ts';
import { type Headline, headlineWords, momentWords, runIcon, runWords, verdictIcons } from './words.ts';

export type PairsNode =
  | { kind: 'config'; config: FoundConfig }
  | { kind: 'pair'; config: FoundConfig; pair: ConfiguredPair }
  | { kind: 'training'; config: FoundConfig; block: ConfiguredTraining }
  | { kind: 'run'; run: RunSummary; headline: Headline | null };

/** Each config's pairs with their last verdict, then its training blocks; below each its reports, newest first. */
export class PairsView implements vscode.TreeDataProvider<PairsNode>, vscode.Disposable {
  readonly #configs: ConfigStore;
  readonly #runs: RunStore;
  readonly #changed = new vscode.EventEmitter<void>();
  readonly #subscriptions: vscode.Disposable[];
  /** A finished run's report never changes, so each is read once. */
  readonly #headlines = new Map<string, Promise<Headline | null>>();
  readonly onDidChangeTreeData = this.#changed.event;

  constructor(configs: ConfigStore, runs: RunStore) {
    this.#configs = configs;
    this.#runs = runs;
    const refresh = () => this.#changed.fire();
    this.#subscriptions = [this.#changed, configs.onDidChange(refresh), runs.onDidChange(refresh)];
  }

  async getChildren(node?: PairsNode): Promise<PairsNode[]> {
    if (node === undefined) {
      const configs = this.#configs.configs;
      // A single config needs no level of its own.
      const [only] = configs;
      if (configs.length === 1 && only) return this.#inside(only);
      return configs.map((config) => ({ kind: 'config', config }));
    }
    if (node.kind === 'config') return this.#inside(node.config);
    if (node.kind === 'run') return [];
    const reported =
      node.kind === 'pair'
        ? this.#reported(node.config, node.pair.name, 'audit')
        : this.#reported(node.config, node.block.name, 'train');
    return Promise.all(
      reported.map(async (run) => ({ kind: 'run', run, headline: await this.#headline(run) }) satisfies PairsNode),
    );
  }

  async getTreeItem(node: PairsNode): Promise<vscode.TreeItem> {
    if (node.kind === 'config') return configItem(node.config);
    if (node.kind === 'run') return reportItem(node.run, node.headline);
    if (node.kind === 'training') return this.#trainingItem(node.config, node.block);
    return this.#pairItem(node.config, node.pair);
  }

  #inside(config: FoundConfig): PairsNode[] {
    return [
      ...config.pairs.map((pair) => ({ kind: 'pair', config, pair }) satisfies PairsNode),
      ...config.training.map((block) => ({ kind: 'training', config, block }) satisfies PairsNode),
    ];
  }

  #reported(config: FoundConfig, name: string, kind: 'audit' | 'train'): RunSummary[] {
    return this.#runs.runsOf(config.uri, name, kind).filter((run) => run.state === 'done' && run.report !== null);
  }

  #headline(run: RunSummary): Promise<Headline | null> {
    if (run.report === null) return Promise.resolve(null);
    const known = this.#headlines.get(run.report);
    if (known !== undefined) return known;
    const read = readHeadline(run.report);
    this.#headlines.set(run.report, read);
    return read;
  }

  async #pairItem(config: FoundConfig, pair: ConfiguredPair): Promise<vscode.TreeItem> {
    const [latest] = this.#reported(config, pair.name, 'audit');
    const live = this.#runs.runsOf(config.uri, pair.name, 'audit').find((run) => run.state === 'running');
    const { None, Collapsed } = vscode.TreeItemCollapsibleState;
    const item = new vscode.TreeItem(pair.name, latest ? Collapsed : None);
    item.id = `${config.uri}#${pair.name}`;
    item.contextValue = itemContexts.pair;
    item.tooltip = vscode.l10n.t('{0}: {1} (old) against {2} (new)', pair.name, pair.old, pair.new);
    const headline = latest ? await this.#headline(latest) : null;
    if (live) {
      item.description = runWords(live);
      item.iconPath = treeIcon(runIcon(live));
    } else if (latest && headline) {
      item.description = headlineWords(headline);
      item.iconPath = treeIcon(verdictIcons[headline.state]);
    } else if (latest) {
      item.description = runWords(latest);
      item.iconPath = treeIcon(runIcon(latest));
    } else {
      item.description = vscode.l10n.t('not audited yet');
      item.iconPath = treeIcon({ icon: 'circle-large-outline', color: null });
    }
    item.accessibilityInformation = { label: `${pair.name}, ${item.description}` };
    return item;
  }

  /** A block says how its last run is, or ended. */
  async #trainingItem(config: FoundConfig, block: ConfiguredTraining): Promise<vscode.TreeItem> {
    const [latest] = this.#runs.runsOf(config.uri, block.name, 'train');
    const [reported] = this.#reported(config, block.name, 'train');
    const { None, Collapsed } = vscode.TreeItemCollapsibleState;
    const item = new vscode.TreeItem(block.name, reported ? Collapsed : None);
    item.id = `${config.uri}#training/${block.name}`;
    item.contextValue = itemContexts.training;
    item.tooltip =
      block.old === null
        ? vscode.l10n.t('{0}: trained from {1}', block.name, block.from)
        : vscode.l10n.t('{0}: trained from {1}, compatible with {2}', block.name, block.from, block.old);
    const headline = latest !== undefined && latest === reported ? await this.#headline(latest) : null;
    const words = latest === undefined ? vscode.l10n.t('not trained yet') : runWords(latest);
    item.description = `${vscode.l10n.t('training')} · ${headline ? headlineWords(headline) : words}`;
    item.iconPath = treeIcon(latest === undefined ? { icon: 'beaker', color: null } : runIcon(latest));
    item.accessibilityInformation = { label: `${block.name}, ${item.description}` };
    return item;
  }

  dispose(): void {
    vscode.Disposable.from(...this.#subscriptions).dispose();
  }
}

function configItem(config: FoundConfig): vscode.TreeItem {
  const item = new vscode.TreeItem(config.label, vscode.TreeItemCollapsibleState.Expanded);
  item.id = config.uri.toString();
  item.contextValue = itemContexts.config;
  item.iconPath = new vscode.ThemeIcon('json');
  return item;
}

function reportItem(run: RunSummary, headline: Headline | null): vscode.TreeItem {
  const item = new vscode.TreeItem(headline ? headlineWords(headline) : runWords(run));
  item.id = `report:${run.directory}`;
  item.contextValue = itemContexts.reportedRun;
  item.description = momentWords(run.created);
  item.iconPath = treeIcon(headline ? verdictIcons[headline.state] : runIcon(run));
  item.tooltip = run.message ?? run.directory;
  item.command = { command: commandIds.openReport, title: vscode.l10n.t('Open Report'), arguments: [{ run }] };
  return item;
}

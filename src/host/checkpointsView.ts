import * as vscode from 'vscode';
import { bytesText } from '../core/contract/format.ts';
import type { CheckpointFile, CheckpointStore } from './checkpointStore.ts';
import { commandIds, itemContexts } from './ids.ts';
import { treeIcon } from './treeIcon.ts';
import { recognisedWords, trainableWords } from './words.ts';

export interface CheckpointNode {
  checkpoint: CheckpointFile;
}

/** Model files and tables that an audit can use, and those that look like it, with the reason why not. */
export class CheckpointsView implements vscode.TreeDataProvider<CheckpointNode>, vscode.Disposable {
  readonly #store: CheckpointStore;
  readonly #changed = new vscode.EventEmitter<void>();
  readonly #subscriptions: vscode.Disposable[];
  readonly onDidChangeTreeData = this.#changed.event;

  constructor(store: CheckpointStore) {
    this.#store = store;
    this.#subscriptions = [this.#changed, store.onDidChange(() => this.#changed.fire())];
  }

  async getChildren(node?: CheckpointNode): Promise<CheckpointNode[]> {
    if (node !== undefined) return [];
    return (await this.#store.files()).map((checkpoint) => ({ checkpoint }));
  }

  getTreeItem({ checkpoint }: CheckpointNode): vscode.TreeItem {
    const { uri, label, names, inspection } = checkpoint;
    const item = new vscode.TreeItem(label);
    item.id = uri.toString();
    item.resourceUri = uri;
    const usable = inspection?.audit.possible ?? false;
    item.contextValue = usable ? itemContexts.checkpoint : itemContexts.unusableFile;
    item.description = inspection === null ? undefined : descriptionOf(checkpoint);
    item.iconPath = treeIcon(iconOf(checkpoint));
    const { reason = null, remedy = null } = inspection?.audit ?? {};
    const named = names.length === 0 ? null : vscode.l10n.t('In the config: {0}', names.join(', '));
    item.tooltip = [uri.fsPath, item.description, named, reason, remedy].filter(Boolean).join('\n');
    item.accessibilityInformation = { label: [label, item.description].filter(Boolean).join(', ') };
    item.command = {
      command: commandIds.inspectCheckpoint,
      title: vscode.l10n.t('Inspect'),
      arguments: [{ checkpoint }],
    };
    return item;
  }

  dispose(): void {
    vscode.Disposable.from(...this.#subscriptions).dispose();
  }
}

function descriptionOf({ inspection, names }: CheckpointFile): string {
  if (inspection === null) return '';
  const size = inspection.bytes === null ? null : bytesText(inspection.bytes);
  const problem = inspection.audit.possible ? null : 'cannot be audited';
  const words = [problem, recognisedWords(inspection), trainableWords(inspection), size, names.join(', ')];
  return words.filter((word) => word !== null && word !== '').join(' · ');
}

function iconOf({ inspection }: CheckpointFile): { icon: string; color: string | null } {
  if (inspection !== null && !inspection.audit.possible) return { icon: 'warning', color: 'charts.yellow' };
  return { icon: inspection?.audit.as === 'vectors' ? 'table' : 'symbol-method', color: null };
}

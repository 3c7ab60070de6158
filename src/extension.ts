import * as vscode from 'vscode';
import { CheckpointsView } from './host/checkpointsView.ts';
import { registerCommands } from './host/commands.ts';
import { ComparePanels } from './host/comparePanel.ts';
import { ConfigLens } from './host/configLens.ts';
import { contextKeys, taskType, viewIds } from './host/ids.ts';
import { PairsView } from './host/pairsView.ts';
import { ReportEditor } from './host/reportEditor.ts';
import { RunNotices } from './host/runNotices.ts';
import { RunPanels } from './host/runPanel.ts';
import { RunStatus } from './host/runStatus.ts';
import { RunsView } from './host/runsView.ts';
import { createServices } from './host/services.ts';
import { ConfigTasks } from './host/tasks.ts';

export async function activate(context: vscode.ExtensionContext): Promise<void> {
  const own = <T extends vscode.Disposable>(disposable: T): T => {
    context.subscriptions.push(disposable);
    return disposable;
  };
  const services = createServices(context);
  const { configs, runs, checkpoints } = services;

  const panels = { runs: own(new RunPanels(services)), comparisons: own(new ComparePanels(services)) };
  const notices = own(new RunNotices(context.workspaceState, runs, panels.runs));
  own(registerCommands(services, panels, notices));
  own(ReportEditor.register(services));
  own(vscode.window.registerTreeDataProvider(viewIds.pairs, own(new PairsView(configs, runs))));
  own(vscode.window.registerTreeDataProvider(viewIds.runs, own(new RunsView(runs))));
  own(vscode.window.registerTreeDataProvider(viewIds.checkpoints, own(new CheckpointsView(checkpoints))));
  own(new ConfigLens(configs, runs));
  own(new RunStatus(runs));
  own(vscode.tasks.registerTaskProvider(taskType, new ConfigTasks(context, configs)));

  // Views say "searching" until then; commands need not wait.
  await configs.refresh();
  await runs.refresh();
  await vscode.commands.executeCommand('setContext', contextKeys.ready, true);
}

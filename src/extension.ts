import * as vscode from 'vscode';
import { registerCommands } from './host/commands.ts';
import { ConfigStore } from './host/configStore.ts';
import { ConfigDiagnostics } from './host/diagnostics.ts';
import { contextKeys, taskType, viewIds } from './host/ids.ts';
import { PairsView } from './host/pairsView.ts';
import { ReportEditor } from './host/reportEditor.ts';
import { RunNotices } from './host/runNotices.ts';
import { RunPanels } from './host/runPanel.ts';
import { RunStatus } from './host/runStatus.ts';
import { RunStore } from './host/runStore.ts';
import { RunsView } from './host/runsView.ts';
import { AuditTasks } from './host/tasks.ts';

export async function activate(context: vscode.ExtensionContext): Promise<void> {
  const own = <T extends vscode.Disposable>(disposable: T): T => {
    context.subscriptions.push(disposable);
    return disposable;
  };
  const log = own(vscode.window.createOutputChannel('Backcompat', { log: true }));
  const configs = own(new ConfigStore(log));
  const runs = own(new RunStore(configs, log));
  const diagnostics = own(new ConfigDiagnostics());
  const services = { context, log, configs, runs, diagnostics };

  const panels = own(new RunPanels(services));
  const notices = own(new RunNotices(context.workspaceState, runs, panels));
  own(registerCommands(services, panels, notices));
  own(ReportEditor.register(services));
  own(vscode.window.registerTreeDataProvider(viewIds.pairs, own(new PairsView(configs, runs))));
  own(vscode.window.registerTreeDataProvider(viewIds.runs, own(new RunsView(runs))));
  own(new RunStatus(runs));
  own(vscode.tasks.registerTaskProvider(taskType, new AuditTasks(context, configs)));

  // Views say "searching" until then; commands need not wait.
  await configs.refresh();
  await runs.refresh();
  await vscode.commands.executeCommand('setContext', contextKeys.ready, true);
}

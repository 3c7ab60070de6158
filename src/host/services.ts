import * as vscode from 'vscode';
import { CheckpointStore } from './checkpointStore.ts';
import { ConfigStore } from './configStore.ts';
import { ConfigDiagnostics } from './diagnostics.ts';
import { RunStore } from './runStore.ts';
import { runtimeOf } from './runtime.ts';
import { VirtualTexts } from './virtualTexts.ts';
import { WorkerClient } from './workerClient.ts';

/** What commands, views and panels share. */
export interface Services {
  context: vscode.ExtensionContext;
  log: vscode.LogOutputChannel;
  configs: ConfigStore;
  runs: RunStore;
  diagnostics: ConfigDiagnostics;
  checkpoints: CheckpointStore;
  texts: VirtualTexts;
  /** Answers questions about files and pairs; not to be asked in an untrusted workspace. */
  worker: WorkerClient;
}

/** Makes them; they end with the extension. */
export function createServices(context: vscode.ExtensionContext): Services {
  const own = <T extends vscode.Disposable>(disposable: T): T => {
    context.subscriptions.push(disposable);
    return disposable;
  };
  const log = own(vscode.window.createOutputChannel('Backcompat', { log: true }));
  const configs = own(new ConfigStore(log));
  const runs = own(new RunStore(configs, log));
  const runtime = () => runtimeOf(context, 'worker.js');
  const worker = own(new WorkerClient({ runtime, log: (line) => log.info(line) }));
  const checkpoints = own(new CheckpointStore({ worker, log, configs }));
  const diagnostics = own(new ConfigDiagnostics());
  return { context, log, configs, runs, diagnostics, checkpoints, texts: own(new VirtualTexts()), worker };
}

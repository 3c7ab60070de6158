import type * as vscode from 'vscode';
import type { ConfigStore } from './configStore.ts';
import type { ConfigDiagnostics } from './diagnostics.ts';
import type { RunStore } from './runStore.ts';

/** What commands, views and panels share. */
export interface Services {
  context: vscode.ExtensionContext;
  log: vscode.LogOutputChannel;
  configs: ConfigStore;
  runs: RunStore;
  diagnostics: ConfigDiagnostics;
}

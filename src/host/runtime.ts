import path from 'node:path';
import * as vscode from 'vscode';
import { settings } from './ids.ts';

/** How to start a process of ours: VS Code's own Node, or the one the user set. */
export interface Runtime {
  command: string;
  /** Comes before the arguments of the command line. */
  script: string;
  env: Record<string, string>;
}

/** The one place that reads the settings. */
export function readSettings(): { nodePath: string; threads: number } {
  const configuration = vscode.workspace.getConfiguration();
  return {
    nodePath: configuration.get<string>(settings.nodePath.key, settings.nodePath.default).trim(),
    threads: configuration.get<number>(settings.threads.key, settings.threads.default),
  };
}

/** @param script of `dist/`: the command line, or the worker */
export function runtimeOf(context: vscode.ExtensionContext, script: 'cli.js' | 'worker.js' = 'cli.js'): Runtime {
  const { nodePath } = readSettings();
  return {
    command: nodePath || process.execPath,
    script: path.join(context.extensionPath, 'dist', script),
    // In the desktop editor process.execPath is Electron; this makes it a plain Node.
    env: nodePath ? {} : { ELECTRON_RUN_AS_NODE: '1' },
  };
}

/** `--threads N`, or nothing where the default holds. */
export function threadArguments(): string[] {
  const { threads } = readSettings();
  return threads > 0 ? ['--threads', String(threads)] : [];
}

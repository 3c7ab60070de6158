import { spawn } from 'node:child_process';
import type { Runtime } from './runtime.ts';

export interface CommandLineResult {
  exitStatus: number;
  stdout: string;
  stderr: string;
}

/** What the command line says before its run is on its way, or a wrong start; never a report. */
const MAX_OUTPUT = 256 * 1024;

/** Variables of the extension host that would change how a Node below it behaves. */
const hostVariables = /^(VSCODE_|ELECTRON_|NODE_OPTIONS$)/;

/** The environment for a process of ours: the host's, without what concerns the host alone. */
export function environmentFor(runtime: Pick<Runtime, 'env'>, inherited: NodeJS.ProcessEnv = process.env) {
  const kept = Object.entries(inherited).filter(([name]) => !hostVariables.test(name));
  return { ...Object.fromEntries(kept), ...runtime.env };
}

/**
 * Runs one short command of the command line to its end.
 * Settles in any case: with the exit status, or with an error when it cannot start, is aborted or takes longer than `timeoutMs`.
 */
export function runCommandLine(
  runtime: Runtime,
  args: readonly string[],
  { cwd, timeoutMs, signal }: { cwd?: string; timeoutMs: number; signal?: AbortSignal },
): Promise<CommandLineResult> {
  return new Promise((resolve, reject) => {
    const child = spawn(runtime.command, [runtime.script, ...args], {
      cwd,
      env: environmentFor(runtime),
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: timeoutMs,
      signal,
    });
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout = (stdout + text).slice(-MAX_OUTPUT);
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr = (stderr + text).slice(-MAX_OUTPUT);
    });
    child.once('error', reject);
    child.once('close', (code, killedBy) => {
      if (code === null) reject(new Error(`The command line was ended by ${killedBy}: ${stderr.trim()}`));
      else resolve({ exitStatus: code, stdout, stderr });
    });
  });
}

/** One argument as a POSIX shell or PowerShell reads it. */
function quoted(argument: string): string {
  if (/^[\w@%+=:,./\\-]+$/.test(argument)) return argument;
  return `'${argument.replaceAll("'", process.platform === 'win32' ? "''" : "'\\''")}'`;
}

/** The command line as a person types it. */
export function commandText(args: readonly string[]): string {
  return ['backcompat', ...args].map(quoted).join(' ');
}

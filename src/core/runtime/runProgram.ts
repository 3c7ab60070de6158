import { spawn } from 'node:child_process';
import { throwIfCancelled } from '../contract/errors.ts';

/** A program that could not be started or did not end with 0. */
export class ProgramError extends Error {
  /** It is not there. */
  readonly isMissing: boolean;
  /** The beginning and the end of what it printed. */
  readonly output: string;

  constructor(command: string, how: string, output: string, isMissing = false) {
    super(`${command} ${how}`);
    this.output = output;
    this.isMissing = isMissing;
  }

  /** Its last word: the line that says what was wrong. */
  get reason(): string {
    const lines = this.output.split('\n').map((line) => line.replace(/^npm (error|ERR!)\s*/i, '').trim());
    const said = lines.filter((line) => line !== '');
    return said.find((line) => /\berror\b.*[:]|E[A-Z]{4,}/i.test(line)) ?? said.at(-1) ?? this.message;
  }
}

const MAX_OUTPUT = 8_000;

export interface ProgramOptions {
  folder: string;
  env?: NodeJS.ProcessEnv;
  signal: AbortSignal | undefined;
}

/**
 * Runs a program to its end, without a terminal. Cancelling ends it and everything that it started.
 * @returns what it printed, both streams
 * @throws ProgramError; BackcompatError `cancelled`
 */
export async function runProgram(
  command: string,
  args: readonly string[],
  { folder, env = process.env, signal }: ProgramOptions,
): Promise<string> {
  throwIfCancelled(signal);
  const isWindows = process.platform === 'win32';
  const child = spawn(command, args, {
    cwd: folder,
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
    // A group of its own, so that its children end with it.
    detached: !isWindows,
    // Scripts (npm.cmd) start no other way there.
    shell: isWindows,
    windowsHide: true,
  });
  const end = () => {
    try {
      if (child.pid === undefined || isWindows) child.kill();
      else process.kill(-child.pid, 'SIGKILL');
    } catch {
      // It has ended meanwhile.
    }
  };
  signal?.addEventListener('abort', end, { once: true });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text;
      if (output.length > 2 * MAX_OUTPUT) output = `${output.slice(0, MAX_OUTPUT)}\n...\n${output.slice(-MAX_OUTPUT)}`;
    });
  }
  try {
    await new Promise<void>((resolve, reject) => {
      child.once('error', (error: NodeJS.ErrnoException) => {
        reject(new ProgramError(command, error.message, '', error.code === 'ENOENT'));
      });
      child.once('close', (status, killedBy) => {
        if (status === 0) resolve();
        else reject(new ProgramError(command, `ended with ${status ?? killedBy}`, output));
      });
    });
  } catch (error) {
    throwIfCancelled(signal);
    throw error;
  } finally {
    signal?.removeEventListener('abort', end);
  }
  return output;
}

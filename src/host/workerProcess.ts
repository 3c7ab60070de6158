import { type ChildProcess, fork } from 'node:child_process';
import {
  createMessageConnection,
  IPCMessageReader,
  IPCMessageWriter,
  type MessageConnection,
} from 'vscode-jsonrpc/node';
import { BackcompatError } from '../core/contract/errors.ts';
import { PROGRESS, READY, type WorkerProgress } from '../protocol/worker.ts';
import { environmentFor } from './commandLine.ts';
import type { Runtime } from './runtime.ts';

/** Of what the process printed, for the message when it dies. */
const KEPT_OUTPUT = 16_384;
/** A process that was asked to go and does not is ended. */
const GRACE_MS = 2000;

/** One process of the worker that has said it is ready. */
export interface WorkerProcess {
  readonly connection: MessageConnection;
  readonly pid: number;
  /** Resolves when the process is gone, with what to tell whoever still waits. */
  readonly gone: Promise<BackcompatError>;
  onProgress(listener: (progress: WorkerProgress) => void): void;
  /** Asks it to go, and ends it if it does not. */
  stop(): void;
  /** Ends it now. */
  kill(): void;
}

/**
 * Forks the worker and waits for its handshake.
 * @param log gets every line that the process prints: banners of native libraries, stacks of defects
 * @throws BackcompatError `internal` when it cannot be started, dies or keeps silent; with what it printed last
 */
export async function startWorker(
  runtime: Runtime,
  { bootTimeoutMs, log }: { bootTimeoutMs: number; log: (line: string) => void },
): Promise<WorkerProcess> {
  const child = fork(runtime.script, [], {
    execPath: runtime.command,
    execArgv: [],
    env: environmentFor(runtime),
    // What is printed must not stand in the way of messages: those have a channel of their own.
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  });
  const printed = keepOutput(child, log);
  const gone = new Promise<BackcompatError>((resolve) => {
    child.once('error', (error) => resolve(notStarted(runtime, error.message)));
    // Not `close`: a grandchild may hold the pipes open.
    child.once('exit', (code, signal) => {
      // What it printed last arrives a moment later.
      setTimeout(() => resolve(ended(signal ?? `exit status ${code}`, printed())), 50);
    });
  });
  const connection = createMessageConnection(new IPCMessageReader(child), new IPCMessageWriter(child));
  connection.onError(([error]) => log(`channel: ${error.message}`));
  const listeners: ((progress: WorkerProgress) => void)[] = [];
  connection.onNotification(PROGRESS, (progress: WorkerProgress) => {
    for (const listener of listeners) listener(progress);
  });
  const ready = new Promise<'ready'>((resolve) => connection.onNotification(READY, () => resolve('ready')));
  connection.listen();
  void gone.then(() => connection.dispose());

  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<'late'>((resolve) => {
    timer = setTimeout(() => resolve('late'), bootTimeoutMs);
  });
  const first = await Promise.race([ready, gone, late]);
  clearTimeout(timer);
  if (first === 'late') {
    child.kill('SIGKILL');
    throw notStarted(runtime, `it did not answer within ${bootTimeoutMs / 1000} s. ${printed()}`.trim());
  }
  if (first !== 'ready') throw first;
  return {
    connection,
    pid: child.pid as number,
    gone,
    onProgress: (listener) => void listeners.push(listener),
    stop: () => {
      if (child.connected) child.disconnect();
      const last = setTimeout(() => child.kill('SIGKILL'), GRACE_MS);
      child.once('exit', () => clearTimeout(last));
    },
    kill: () => void child.kill('SIGKILL'),
  };
}

/** Passes on what a process prints, line by line. @returns the last of it that tells an error */
function keepOutput(child: ChildProcess, log: (line: string) => void): () => string {
  let kept = '';
  for (const stream of [child.stdout, child.stderr]) {
    let rest = '';
    stream?.setEncoding('utf8').on('data', (text: string) => {
      if (stream === child.stderr) kept = (kept + text).slice(-KEPT_OUTPUT);
      const lines = (rest + text).split('\n');
      rest = (lines.pop() ?? '').slice(-KEPT_OUTPUT);
      for (const line of lines) if (line.trim() !== '') log(line);
    });
    stream?.once('end', () => {
      if (rest.trim() !== '') log(rest);
    });
  }
  return () => {
    const lines = kept.split('\n').filter((line) => line.trim() !== '');
    // Node prints an uncaught error as "Error [CODE]: message", a stack below it and its own version at the end.
    const error = lines.findLast((line) => /^\w*Error\b.*: /.test(line));
    return error ?? lines.findLast((line) => !/^\s+at |^Node\.js v|^[\s{}]*$/.test(line)) ?? '';
  };
}

function notStarted(runtime: Runtime, reason: string): BackcompatError {
  return new BackcompatError('internal', `The background process could not start with ${runtime.command}: ${reason}`, {
    remedy: 'Check the setting backcompat.nodePath: it needs Node 20.9 or newer, or nothing for the editor’s own.',
  });
}

function ended(how: string, last: string): BackcompatError {
  const message = `The background process ended (${how})${last === '' ? '.' : `: ${last}`}`;
  return new BackcompatError('internal', message, { remedy: 'Try again; the log has all that it printed.' });
}

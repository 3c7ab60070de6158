import { type ChildProcessWithoutNullStreams, execFileSync, spawn } from 'node:child_process';
import path from 'node:path';
import { createInterface } from 'node:readline';
import type { Timing } from './timing.ts';

const benchFolder = process.env.BENCH_FOLDER ?? 'bench';

/** The interpreter of the reference environment, which is made at first use. */
export function referencePython(): string {
  const lines = execFileSync(path.join(benchFolder, 'reference/setup.sh'), { encoding: 'utf8' }).trim().split('\n');
  return lines.at(-1) as string;
}

/** A script of `bench/` that answers one task a line with one line of JSON (see support/serve.py). */
export class Peer {
  readonly #script: string;
  readonly #process: ChildProcessWithoutNullStreams;
  readonly #lines: AsyncIterator<string>;

  constructor(script: string, given: readonly (string | number)[]) {
    this.#script = script;
    this.#process = spawn(referencePython(), [path.join(benchFolder, script), ...given.map(String)], {
      env: { ...process.env, PYTHONDONTWRITEBYTECODE: '1' },
    });
    this.#process.stderr.pipe(process.stderr);
    this.#lines = createInterface({ input: this.#process.stdout })[Symbol.asyncIterator]();
  }

  async ask<Answer = unknown>(task: string): Promise<Timing & Answer> {
    this.#process.stdin.write(`${task}\n`);
    const { value, done } = await this.#lines.next();
    if (done) throw new Error(`${this.#script} ended at ${task}`);
    return JSON.parse(value) as Timing & Answer;
  }

  end(): void {
    this.#process.stdin.end();
  }
}

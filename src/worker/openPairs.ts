import { randomUUID } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { BackcompatError } from '../core/contract/errors.ts';
import type { AuditHooks } from '../core/pipeline/auditRequest.ts';
import { browsePair, type PairBrowser } from '../core/pipeline/browsePair.ts';
import { requestOfReport } from '../core/pipeline/requestOfReport.ts';
import type { WorkerResult, WorkerSubject } from '../protocol/worker.ts';

/** Each holds up to 256 MB of vectors, and the ids of its items. */
const MAX_OPEN = 3;

/** The handle is of no open pair: it was closed for others, or belongs to a worker that is gone. */
export class UnknownPair extends BackcompatError {
  constructor() {
    super('not-found', 'This pair is no longer open.', { remedy: 'Open it again.' });
  }
}

interface Entry {
  handle: string;
  /** What was opened, and in which state: another report under the same name is another pair. */
  key: string;
  browser: PairBrowser;
  /** Questions under way. */
  users: number;
  closing: boolean;
}

/** The pairs that are open, the one used last at the end. */
export class OpenPairs {
  readonly #entries: Entry[] = [];

  async open(subject: WorkerSubject, threads: number | null, hooks: AuditHooks): Promise<WorkerResult<'openPair'>> {
    const key = JSON.stringify([subject, threads, await stateOf(subject)]);
    let entry = this.#entries.find((known) => known.key === key);
    if (entry === undefined) {
      const { request, report } = await requestOfReport(subject, threads);
      const browser = await browsePair(request, report, hooks);
      entry = { handle: randomUUID(), key, browser, users: 0, closing: false };
      this.#entries.push(entry);
      while (this.#entries.length > MAX_OPEN) await this.#drop(this.#entries[0] as Entry);
    }
    return { handle: entry.handle, pair: entry.browser.pair };
  }

  /** @throws UnknownPair */
  async use<Result>(handle: string, ask: (browser: PairBrowser) => Promise<Result>): Promise<Result> {
    const entry = this.#entries.find((known) => known.handle === handle);
    if (entry === undefined) throw new UnknownPair();
    this.#entries.push(...this.#entries.splice(this.#entries.indexOf(entry), 1));
    entry.users++;
    try {
      return await ask(entry.browser);
    } finally {
      entry.users--;
      await closeWhenUnused(entry);
    }
  }

  async close(handle: string): Promise<void> {
    const entry = this.#entries.find((known) => known.handle === handle);
    if (entry !== undefined) await this.#drop(entry);
  }

  async #drop(entry: Entry): Promise<void> {
    this.#entries.splice(this.#entries.indexOf(entry), 1);
    entry.closing = true;
    await closeWhenUnused(entry);
  }
}

/** A pair that is being asked is closed after its last answer. */
async function closeWhenUnused({ closing, users, browser }: Entry): Promise<void> {
  if (closing && users === 0) await browser.close();
}

async function stateOf(subject: WorkerSubject): Promise<unknown> {
  const files = 'report' in subject ? [subject.report, subject.config] : [subject.config];
  return Promise.all(
    files.map(async (file) => {
      const found = file === null ? null : await stat(file).catch(() => null);
      return found && [found.mtimeMs, found.size];
    }),
  );
}

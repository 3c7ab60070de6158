import * as vscode from 'vscode';
import { asBackcompatError, BackcompatError, cancelledError, isCancellation } from '../core/contract/errors.ts';
import type { BrowseAnswer, BrowseHostMessage, BrowseMessage } from '../protocol/browse.ts';
import type { PageHandlers } from '../protocol/messages.ts';
import type { WorkerResult, WorkerSubject } from '../protocol/worker.ts';
import { configWith, type PageSubject } from './pageIntents.ts';
import { readSettings } from './runtime.ts';
import type { Services } from './services.ts';
import { type AskOptions, UnknownPairError } from './workerClient.ts';

type Question = Exclude<BrowseMessage, { type: 'browseStop' }>;
type Opened = WorkerResult<'openPair'>;

/** The pair of a report while it is opened, and afterwards; whoever needs it waits for the same opening. */
interface Opening {
  report: string;
  pair: Promise<Opened>;
  controller: AbortController;
  listeners: Set<NonNullable<AskOptions['onProgress']>>;
}

/** Passes a page's questions about single queries to the worker, and the answers back. */
export class PageQuestions implements vscode.Disposable {
  readonly #services: Services;
  readonly #subject: () => PageSubject;
  readonly #send: (message: BrowseHostMessage) => void;
  readonly #open = new Map<number, { type: Question['type']; controller: AbortController }>();
  #opening: Opening | null = null;

  constructor(services: Services, subject: () => PageSubject, send: (message: BrowseHostMessage) => void) {
    this.#services = services;
    this.#subject = subject;
    this.#send = send;
  }

  readonly handlers: Pick<PageHandlers, BrowseMessage['type']> = {
    browseQueries: (question) => this.#answer(question),
    browseNeighbours: (question) => this.#answer(question),
    browseThumbnails: (question) => this.#answer(question),
    browseStop: ({ request }) => this.#open.get(request)?.controller.abort(),
  };

  async #answer(question: Question): Promise<void> {
    const { request, type } = question;
    // Who asks for another list or another query no longer waits for the one before.
    if (type !== 'browseThumbnails') {
      for (const open of this.#open.values()) if (open.type === type) open.controller.abort();
    }
    const controller = new AbortController();
    this.#open.set(request, { type, controller });
    const options: AskOptions = {
      signal: controller.signal,
      onProgress: ({ phase, done, total }) => this.#send({ type: 'browseProgress', request, phase, done, total }),
    };
    try {
      const answer = await this.#ask(question, options);
      if (!controller.signal.aborted) this.#send({ type: 'browseAnswer', request, answer });
    } catch (error) {
      if (isCancellation(error) || controller.signal.aborted) return;
      const { message, remedy } = asBackcompatError(error);
      this.#services.log.warn(message);
      this.#send({ type: 'browseFailure', request, message, remedy });
    } finally {
      this.#open.delete(request);
      // Nobody waits any more: a pair that is still being opened may embed a whole gallery for nothing.
      if (this.#open.size === 0) this.#opening?.controller.abort();
    }
  }

  /** Opens the pair again once when the worker no longer has it: it keeps few, and may have been started anew. */
  async #ask(question: Question, options: AskOptions): Promise<BrowseAnswer> {
    const opening = this.#pair();
    try {
      return await this.#askOpened(question, await waitFor(opening, options), options);
    } catch (error) {
      if (!(error instanceof UnknownPairError)) throw error;
      if (this.#opening === opening) this.#opening = null;
      return this.#askOpened(question, await waitFor(this.#pair(), options), options);
    }
  }

  async #askOpened(question: Question, { handle, pair }: Opened, options: AskOptions): Promise<BrowseAnswer> {
    const { worker } = this.#services;
    switch (question.type) {
      case 'browseQueries': {
        const page = await worker.ask('queries', { handle, ...question.question }, options);
        return { kind: 'queries', pair, page };
      }
      case 'browseNeighbours': {
        const { query, k } = question;
        return { kind: 'neighbours', neighbours: await worker.ask('neighbours', { handle, query, k }, options) };
      }
      case 'browseThumbnails': {
        const { ids } = question;
        return { kind: 'thumbnails', previews: await worker.ask('thumbnails', { handle, ids }, options) };
      }
    }
  }

  /** The pair of the page's report. An opening that failed is not kept: the next question tries again. */
  #pair(): Opening {
    const subject = this.#subject();
    const { report } = subject;
    if (!vscode.workspace.isTrusted || report === null) {
      throw new BackcompatError('usage', vscode.l10n.t('There is nothing to browse.'));
    }
    if (this.#opening?.report === report) return this.#opening;
    const { threads } = readSettings();
    const asked: WorkerSubject = { report, config: configWith(this.#services, subject) };
    const controller = new AbortController();
    const listeners: Opening['listeners'] = new Set();
    const pair = this.#services.worker.ask(
      'openPair',
      { subject: asked, threads: threads > 0 ? threads : null },
      {
        signal: controller.signal,
        onProgress: (progress) => {
          for (const listener of listeners) listener(progress);
        },
      },
    );
    const opening = { report, pair, controller, listeners };
    this.#opening = opening;
    pair.catch(() => {
      if (this.#opening === opening) this.#opening = null;
    });
    return opening;
  }

  dispose(): void {
    for (const { controller } of this.#open.values()) controller.abort();
    this.#opening?.controller.abort();
  }
}

/** The pair once it is open, unless the question is called off before. */
async function waitFor({ pair, listeners }: Opening, { signal, onProgress }: AskOptions): Promise<Opened> {
  if (onProgress) listeners.add(onProgress);
  let abort: (() => void) | undefined;
  const aborted = new Promise<never>((_, reject) => {
    abort = () => reject(cancelledError());
    signal?.addEventListener('abort', abort);
  });
  try {
    return await Promise.race([pair, aborted]);
  } finally {
    if (abort) signal?.removeEventListener('abort', abort);
    if (onProgress) listeners.delete(onProgress);
  }
}

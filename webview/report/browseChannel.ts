/** Numbered questions about single queries to the host, and their answers. */
import type { BrowseAnswer, BrowseHostMessage, BrowseMessage } from '../../src/protocol/browse.ts';
import type { PageMessage } from '../../src/protocol/messages.ts';

type Without<T, K extends string> = T extends unknown ? Omit<T, K> : never;
export type BrowseQuestion = Without<Exclude<BrowseMessage, { type: 'browseStop' }>, 'request'>;
export type AnswerKind = BrowseAnswer['kind'];
export type AnswerOf<K extends AnswerKind> = Extract<BrowseAnswer, { kind: K }>;
export type BrowseProgress = Extract<BrowseHostMessage, { type: 'browseProgress' }>;

/** What the host said instead of an answer. */
export class BrowseError extends Error {
  readonly remedy: string | null;

  constructor(message: string, remedy: string | null) {
    super(message);
    this.remedy = remedy;
  }
}

interface Waiting {
  resolve: (answer: BrowseAnswer) => void;
  reject: (error: BrowseError) => void;
  onProgress: ((progress: BrowseProgress) => void) | undefined;
}

/** A question on its way; a stopped one never settles. */
export interface Asked<K extends AnswerKind> {
  answer: Promise<AnswerOf<K>>;
  stop: () => void;
}

export class BrowseChannel {
  readonly #send: (message: PageMessage) => void;
  readonly #waiting = new Map<number, Waiting>();
  #numbers = 0;

  constructor(send: (message: PageMessage) => void) {
    this.#send = send;
  }

  ask<K extends AnswerKind>(
    kind: K,
    question: BrowseQuestion,
    onProgress?: (progress: BrowseProgress) => void,
  ): Asked<K> {
    const request = ++this.#numbers;
    const answer = new Promise<AnswerOf<K>>((resolve, reject) => {
      const take = (given: BrowseAnswer) => {
        if (given.kind === kind) resolve(given as AnswerOf<K>);
        else reject(new BrowseError('The answer is of another kind than the question.', null));
      };
      this.#waiting.set(request, { resolve: take, reject, onProgress });
    });
    this.#send({ ...question, request } as BrowseMessage);
    return {
      answer,
      stop: () => {
        if (this.#waiting.delete(request)) this.#send({ type: 'browseStop', request });
      },
    };
  }

  receive(message: BrowseHostMessage): void {
    const waiting = this.#waiting.get(message.request);
    if (waiting === undefined) return;
    if (message.type === 'browseProgress') {
      waiting.onProgress?.(message);
      return;
    }
    this.#waiting.delete(message.request);
    if (message.type === 'browseAnswer') waiting.resolve(message.answer);
    else waiting.reject(new BrowseError(message.message, message.remedy));
  }
}

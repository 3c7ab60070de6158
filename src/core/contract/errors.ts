/**
 * What can go wrong, as data. One table says for each code what the command line exits with;
 * the editor shows `message` and `remedy` of the same error.
 */
export const exitStatusOf = {
  /** Wrong command, option or combination of them. */
  usage: 2,
  /** A file or folder that does not exist. */
  'not-found': 2,
  /** A file that is not what its name, magic or header claims. */
  'bad-file': 2,
  /** A file that parses but whose values cannot be used (NaN rows, one class only, ...). */
  'bad-data': 2,
  /** The config: syntax, unknown keys, wrong types, dangling names. */
  'bad-config': 2,
  /** A model that cannot be used as asked (outputs, shapes, operators). */
  'bad-model': 2,
  /** Old and new vectors of different length and no rule, or one that does not fit. */
  'dimension-mismatch': 2,
  /** The run directory or output file is in use or not ours to overwrite. */
  'in-use': 2,
  /** Disk full, no permission: nothing wrong with what the user gave. */
  'write-failed': 1,
  /** A training came to values that are not finite: nothing wrong with the files. */
  diverged: 1,
  /** A part of the product that is installed on demand, and could not be: network, compiler, platform. */
  'install-failed': 1,
  /** SIGINT, SIGTERM or Cancel. */
  cancelled: 130,
  /** A defect of ours. */
  internal: 1,
} as const;

export type ErrorCode = keyof typeof exitStatusOf;

/** Where in the user's input the error lies. Lines, columns and rows count from 1, as editors do. */
export interface Place {
  file?: string;
  line?: number;
  column?: number;
  /** Data row, header not counted, from 1. */
  row?: number;
  /** Key, column or field. */
  field?: string;
}

export interface ErrorDetails {
  place?: Place;
  /** What the user can do about it, an imperative sentence. */
  remedy?: string;
  cause?: unknown;
}

/**
 * The one error class of the product.
 * `message` says what is wrong in one sentence and names the file, row or field itself;
 * `place` repeats it for machines.
 */
export class BackcompatError extends Error {
  readonly code: ErrorCode;
  readonly place: Place;
  readonly remedy: string | null;

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = 'BackcompatError';
    this.code = code;
    this.place = details.place ?? {};
    this.remedy = details.remedy ?? null;
  }
}

export function cancelledError(): BackcompatError {
  return new BackcompatError('cancelled', 'Cancelled.');
}

/** The one place that recognises cancellation, ours or an AbortSignal's. */
export function isCancellation(error: unknown): boolean {
  if (error instanceof BackcompatError) return error.code === 'cancelled';
  return error instanceof Error && error.name === 'AbortError';
}

/** Throws the cancellation error once `signal` is aborted; call between blocks of work. */
export function throwIfCancelled(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw cancelledError();
}

/** Any thrown value as a BackcompatError; foreign ones become `internal` (or `write-failed` for disk errors). */
export function asBackcompatError(error: unknown): BackcompatError {
  if (error instanceof BackcompatError) return error;
  if (isCancellation(error)) return cancelledError();
  const code = (error as { code?: unknown } | null)?.code;
  const message = error instanceof Error ? error.message : String(error);
  if (code === 'ENOSPC') {
    return new BackcompatError('write-failed', `The disk is full: ${message}`, {
      remedy: 'Free some space and start the run again.',
      cause: error,
    });
  }
  if (code === 'EACCES' || code === 'EPERM' || code === 'EROFS') {
    return new BackcompatError('write-failed', `No permission: ${message}`, {
      remedy: 'Give access to that path, or choose another with --out.',
      cause: error,
    });
  }
  return new BackcompatError('internal', message, { cause: error });
}

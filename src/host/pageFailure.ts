import type { PageFailure } from '../protocol/messages.ts';

/** A failure that nothing on the page can mend. */
export function plainFailure(title: string, message: string, remedy: string | null): PageFailure {
  return { title, message, remedy, again: null, openRunFolder: false, openConfig: false };
}

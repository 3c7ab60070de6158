/** What the retrieval browser of the page and the host say to each other: numbered questions, and what comes of each. */
import {
  type BrowsedPair,
  browsedCells,
  MAX_NEIGHBOURS,
  MAX_PREVIEW_ITEMS,
  MAX_QUERY_ROWS,
  type QueryNeighbours,
  type QueryPage,
  type QueryQuestion,
  queryFilters,
} from '../core/contract/browsing.ts';
import { parsePreviews } from '../core/contract/previews.ts';
import type { ItemPreviews } from '../core/contract/report.ts';
import { isFigureOrNull, isObject } from './checks.ts';

/** page -> host */
export type BrowseMessage =
  /** A page of the list of queries; the first question opens the pair. */
  | { type: 'browseQueries'; request: number; question: QueryQuestion }
  | { type: 'browseNeighbours'; request: number; query: string; k: number }
  | { type: 'browseThumbnails'; request: number; ids: string[] }
  /** The answer is no longer wanted. */
  | { type: 'browseStop'; request: number };

export type BrowseAnswer =
  | { kind: 'queries'; pair: BrowsedPair; page: QueryPage }
  | { kind: 'neighbours'; neighbours: QueryNeighbours }
  | { kind: 'thumbnails'; previews: ItemPreviews };

/** host -> page; nothing for a question that was stopped. */
export type BrowseHostMessage =
  | { type: 'browseAnswer'; request: number; answer: BrowseAnswer }
  | { type: 'browseProgress'; request: number; phase: string; done: number | null; total: number | null }
  | { type: 'browseFailure'; request: number; message: string; remedy: string | null };

const MAX_ID_LENGTH = 10_000;
const MAX_SEARCH_LENGTH = 1000;

function isText(value: unknown, longest: number): value is string {
  return typeof value === 'string' && value.length <= longest;
}

function isWhole(value: unknown, low: number, high: number): value is number {
  return Number.isInteger(value) && (value as number) >= low && (value as number) <= high;
}

/** The question if the page really sent one, with known fields only; otherwise null. */
export function parseBrowseMessage(value: Record<string, unknown>): BrowseMessage | null {
  const { request } = value;
  if (!isWhole(request, 0, Number.MAX_SAFE_INTEGER)) return null;
  switch (value.type) {
    case 'browseQueries': {
      const question = questionOf(value.question);
      return question && { type: 'browseQueries', request, question };
    }
    case 'browseNeighbours': {
      const { query, k } = value;
      if (!isText(query, MAX_ID_LENGTH) || !isWhole(k, 1, MAX_NEIGHBOURS)) return null;
      return { type: 'browseNeighbours', request, query, k };
    }
    case 'browseThumbnails': {
      const { ids } = value;
      if (!Array.isArray(ids) || ids.length > MAX_PREVIEW_ITEMS) return null;
      return ids.every((id) => isText(id, MAX_ID_LENGTH)) ? { type: 'browseThumbnails', request, ids: [...ids] } : null;
    }
    case 'browseStop':
      return { type: 'browseStop', request };
    default:
      return null;
  }
}

function questionOf(value: unknown): QueryQuestion | null {
  if (!isObject(value)) return null;
  const { search, offset, limit } = value;
  const filter = queryFilters.find((known) => known === value.filter);
  if (filter === undefined || !isText(search, MAX_SEARCH_LENGTH)) return null;
  if (!isWhole(offset, 0, Number.MAX_SAFE_INTEGER) || !isWhole(limit, 1, MAX_QUERY_ROWS)) return null;
  return { search, filter, offset, limit };
}

/** The answer if the host really sent one; otherwise null. */
export function parseBrowseHostMessage(value: Record<string, unknown>): BrowseHostMessage | null {
  const { request } = value;
  if (!isWhole(request, 0, Number.MAX_SAFE_INTEGER)) return null;
  switch (value.type) {
    case 'browseAnswer': {
      const answer = answerOf(value.answer);
      return answer && { type: 'browseAnswer', request, answer };
    }
    case 'browseProgress': {
      const { phase, done, total } = value;
      if (typeof phase !== 'string' || ![done, total].every(isFigureOrNull)) return null;
      return { type: 'browseProgress', request, phase, done: done as number | null, total: total as number | null };
    }
    case 'browseFailure': {
      const { message, remedy } = value;
      if (typeof message !== 'string' || !(remedy === null || typeof remedy === 'string')) return null;
      return { type: 'browseFailure', request, message, remedy };
    }
    default:
      return null;
  }
}

function answerOf(value: unknown): BrowseAnswer | null {
  if (!isObject(value)) return null;
  switch (value.kind) {
    case 'queries': {
      const { pair, page } = value;
      if (!isObject(pair) || !Array.isArray(pair.changes) || !isObject(page) || !Array.isArray(page.entries))
        return null;
      return page.entries.every(isEntry) ? (value as BrowseAnswer) : null;
    }
    case 'neighbours': {
      const { neighbours } = value;
      if (!isObject(neighbours) || !isEntry(neighbours.query) || !Array.isArray(neighbours.rankings)) return null;
      return neighbours.rankings.every(isRanking) ? (value as BrowseAnswer) : null;
    }
    case 'thumbnails':
      return { kind: 'thumbnails', previews: parsePreviews(value.previews) };
    default:
      return null;
  }
}

function isEntry(value: unknown): boolean {
  return isObject(value) && typeof value.id === 'string' && (value.label === null || typeof value.label === 'string');
}

function isRanking(value: unknown): boolean {
  return (
    isObject(value) &&
    browsedCells.some((cell) => cell === value.cell) &&
    Array.isArray(value.items) &&
    value.items.every((item: unknown) => isEntry(item) && typeof (item as { distance: unknown }).distance === 'number')
  );
}

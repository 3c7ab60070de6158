/** What the retrieval browser asks about a pair, and what it is answered. */
import type { CellName } from './report.ts';

/** The rankings that stand side by side, in this order. */
export const browsedCells = ['oldOld', 'newOld', 'newNew'] as const satisfies readonly CellName[];
export type BrowsedCell = (typeof browsedCells)[number];

/**
 * What became of a query's first hit on the old gallery: right or wrong with both models, `lost` (right became wrong)
 * or `gained` (wrong became right).
 */
export type QueryChange = 'right' | 'wrong' | 'lost' | 'gained';

/** `flipped`: lost or gained; `wrong`: wrong with the new model, so lost ones, too. */
export const queryFilters = ['all', 'flipped', 'lost', 'gained', 'wrong'] as const;
export type QueryFilter = (typeof queryFilters)[number];

/** Neighbours that one answer may list, and places up to which a rank is known. */
export const MAX_NEIGHBOURS = 100;
export const RANK_DEPTH = 1000;
/** Queries of one answer, and items whose previews one answer may hold. */
export const MAX_QUERY_ROWS = 200;
export const MAX_PREVIEW_ITEMS = 200;

export interface QueryEntry {
  id: string;
  /** null without labels. */
  label: string | null;
  /** null: not judged, or nothing in the gallery is of its class. */
  change: QueryChange | null;
}

export interface QueryPage {
  /** Queries that pass search and filter. */
  total: number;
  offset: number;
  entries: QueryEntry[];
  /** Queries that were judged for the filter where that was a sample, as in the audit; null: all, or none. */
  sampledFrom: number | null;
}

export interface QueryQuestion {
  /** Part of an id or a label, in any case; '' for all. */
  search: string;
  filter: QueryFilter;
  offset: number;
  limit: number;
}

/** A gallery item in a ranking; its rank is its place in the list. */
export interface RankedItem {
  id: string;
  label: string | null;
  /** null without labels. */
  right: boolean | null;
  distance: number;
  /** Its rank under oldOld, from 1; null: beyond `depth`. */
  rankBefore: number | null;
}

export interface CellRanking {
  cell: BrowsedCell;
  items: RankedItem[];
  /** How many of `items` are right; null without labels. */
  right: number | null;
}

export interface QueryNeighbours {
  query: QueryEntry;
  /** In the order of `browsedCells`; newNew is missing where there are no new vectors of the gallery. */
  rankings: CellRanking[];
  /** Ranks under oldOld are known up to this one. */
  depth: number;
}

/** An opened pair. */
export interface BrowsedPair {
  name: string;
  queries: number;
  gallery: number;
  labelled: boolean;
  /** What has changed since the report was made, a sentence each: then rankings may differ from its figures. */
  changes: string[];
}

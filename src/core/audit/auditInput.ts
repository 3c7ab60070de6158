import type { AuditProtocol } from '../contract/protocol.ts';
import type { ItemSet } from '../data/itemSet.ts';
import type { VectorSource } from '../data/vectorSource.ts';
import type { Adapter } from './adapters/adapter.ts';

/** Everything the audit measures from: aligned items and vectors, and the protocol. */
export interface AuditInput {
  /** Queries and gallery share one list of classes: `labelOf` of both index `classNames`. */
  queries: AuditItems;
  gallery: AuditItems;
  vectors: {
    oldQuery: VectorSource;
    newQuery: VectorSource;
    oldGallery: VectorSource;
    /** Absent when the new model's gallery was not given: newNew and oldNew are then null. */
    newGallery: VectorSource | null;
    /**
     * What meets old vectors in the place of new ones, of the old model's length; absent: the new vectors
     * themselves, cut or filled up. The gallery's is null without `newGallery`.
     */
    crossQuery?: VectorSource;
    crossGallery?: VectorSource | null;
    /** The paragon's own vectors (both, or neither). */
    paragonQuery: VectorSource | null;
    paragonGallery: VectorSource | null;
  };
  /** Of a pair that compares many: oldest first, `vectors` being those of the first and the last. */
  versions?: readonly Version[];
  protocol: AuditProtocol;
  /** Maps new vectors into the old space, for the rule `project`; absent: one is fitted. */
  adapter?: Pick<Adapter, 'apply' | 'description'>;
}

/** One of the models of a pair that compares many, with its vectors of the same queries and gallery. */
export interface Version {
  name: string;
  query: VectorSource;
  gallery: VectorSource;
}

export interface AuditItems {
  name: string;
  count: number;
  ids: readonly string[];
  labelOf: Int32Array;
  classNames: readonly string[];
  /** Column name to one value per item; figures are given by those of the queries. */
  slices?: ReadonlyMap<string, readonly string[]>;
  /** Columns that nobody named and that hold too many values. */
  slicesLeftOut?: readonly string[];
  /** false: `labelOf` is made up, one class for all. Absent counts as true. */
  labelled?: boolean;
}

/** Brings the two sets under one list of classes, in order of first appearance, gallery first. */
export function joinClasses(queries: ItemSet, gallery: ItemSet): { queries: AuditItems; gallery: AuditItems } {
  const classNames: string[] = [];
  const indexOf = new Map<string, number>();
  const relabel = (items: ItemSet): AuditItems => {
    const mapping = Int32Array.from(items.classNames, (name) => {
      let index = indexOf.get(name);
      if (index === undefined) {
        index = classNames.length;
        classNames.push(name);
        indexOf.set(name, index);
      }
      return index;
    });
    return {
      name: items.name,
      count: items.count,
      ids: items.ids,
      labelOf: items.labelOf.map((label) => mapping[label] as number),
      classNames,
      slices: items.slices,
      ...(items.slicesLeftOut === undefined ? {} : { slicesLeftOut: items.slicesLeftOut }),
      ...(items.labelled === undefined ? {} : { labelled: items.labelled }),
    };
  };
  const joinedGallery = relabel(gallery);
  return { queries: relabel(queries), gallery: joinedGallery };
}

import type { Pair } from '../config/loadConfig.ts';
import type { AdapterKind, DimensionRule, Distance, ItemPreviews, MetricName, Report } from '../contract/report.ts';
import type { Progress } from '../contract/runs.ts';
import type { NamedCheckpoint } from './namedCheckpoint.ts';

/** What one audit measures: a pair of a config, or embedding tables without one. All paths are absolute. */
export interface AuditRequest {
  source:
    | { kind: 'config'; file: string; pair: string }
    /** A pair that the config does not hold: models that a run has just trained, by their names in it. */
    | { kind: 'trained'; file: string; pair: Pair; models: Readonly<Record<string, NamedCheckpoint>> }
    | {
        kind: 'tables';
        /** Files of vectors, `file#array` for an array of a file. */
        oldGallery: string;
        /** Absent: the newNew and oldNew cells are not measured; needs query tables. */
        newGallery: string | null;
        /** Absent: ids, labels and slices are those that the files of vectors hold themselves, if any. */
        galleryLabels: string | null;
        /** Both query tables, or none: then the gallery is audited leave-one-out. */
        oldQuery: string | null;
        newQuery: string | null;
        /** As `galleryLabels`. */
        queryLabels: string | null;
      };
  overrides: AuditOverrides;
  /** Absolute path of the report to compare with, instead of the config's. */
  baseline?: string;
  /** Threads for arithmetic and decoding; null: as many as the machine has. */
  threads: number | null;
  /** Where embeddings are kept, by content. */
  cacheFolder: string;
}

/** Options of the command line; each replaces what the config says. */
export interface AuditOverrides {
  distance?: Distance;
  dimensionRule?: Exclude<DimensionRule, 'equal'>;
  adapter?: AdapterKind;
  /** Absolute path; goes with the rule `project`. */
  adapterFile?: string;
  epsilons?: number[];
  criterionMetric?: MetricName;
  margin?: number;
  operatingFar?: number;
  resamples?: number;
  pairBudget?: number;
  seed?: number;
}

export interface AuditHooks {
  progress: Progress;
  signal: AbortSignal;
  /** Takes what a person can see of the items that the report lists; without it nothing is decoded for that. */
  previews?: (previews: ItemPreviews) => void;
}

/** The whole path from a request to a report, its gates evaluated. */
export type AuditPair = (request: AuditRequest, hooks: AuditHooks) => Promise<Report>;

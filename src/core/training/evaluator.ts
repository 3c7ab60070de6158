import type { MeasureHooks } from '../audit/measurePair.ts';
import type { AuditProtocol } from '../contract/protocol.ts';
import type { EpochFigures } from '../contract/training.ts';
import type { ItemSet } from '../data/itemSet.ts';
import type { VectorSource } from '../data/vectorSource.ts';

/** The parts of an epoch's figures that held-out items give. */
export type HeldOutFigures = Pick<
  EpochFigures,
  'oldOld' | 'newOld' | 'newNew' | 'positiveRate' | 'inverted' | 'negativeFlipRate' | 'criterion'
>;

export interface EvaluatorRequest {
  queries: ItemSet;
  /** The same object as `queries`: each query without itself (leave-one-out). */
  gallery: ItemSet;
  /** The old model's vectors of both, row i of item i; null without an old model. */
  old: { query: VectorSource; gallery: VectorSource } | null;
  /** What is measured and how, as in the audit of the result. */
  protocol: AuditProtocol;
  /** null: one a core. */
  threads: number | null;
}

/**
 * Figures of held-out items while training. Larger sets are sampled once, by class and seed: 500 queries against 5,000
 * gallery items, so that an epoch's figures take a second or two; with smaller ones they are those of an audit.
 */
export interface Evaluator {
  /** What `vectorsOf` is asked for: the sampled sets, or those of the request. The same object where queries are the gallery. */
  readonly queries: ItemSet;
  readonly gallery: ItemSet;
  /** What was sampled, for people; null: everything is used. */
  readonly note: string | null;
  /**
   * @param vectorsOf the present model's vectors of a set, count x dimension; called once for each set, for the gallery alone where queries are its own items
   * @throws BackcompatError `dimension-mismatch`; `bad-data` for vectors that are zero or not finite, naming the item; `cancelled`
   */
  evaluate(vectorsOf: (items: ItemSet) => Promise<Float32Array>, hooks: MeasureHooks): Promise<HeldOutFigures>;
}

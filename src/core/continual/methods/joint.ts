import { plainOptions, type SessionMethod } from './sessionMethod.ts';

/** All items so far, from the initial weights, and a full re-index: the upper bound, at the full price. */
export const joint: SessionMethod = { defaults: plainOptions, isJoint: true, terms: () => [] };

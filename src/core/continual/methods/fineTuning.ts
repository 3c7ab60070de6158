import { plainOptions, type SessionMethod } from './sessionMethod.ts';

/** The next session's items and nothing else: the lower bound. */
export const fineTuning: SessionMethod = { defaults: plainOptions, isJoint: false, terms: () => [] };

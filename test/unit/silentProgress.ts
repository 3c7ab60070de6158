import type { Progress } from '../../src/core/contract/runs.ts';

/** For tests that do not look at progress. */
export const silentProgress: Progress = {
  phase() {},
  update() {},
  log() {},
  async breathe() {},
};

import { describe, expect, it } from 'vitest';
import { advBctScores } from '../../src/core/audit/advbct.ts';

const input = {
  oldOld: 0.5,
  newOld: 0.6,
  newNew: 0.8,
  paragon: 0.9,
  paragonGainInterval: [0.3, 0.5] as [number, number],
};

describe('AdvBCT scores', () => {
  it('by hand', () => {
    const { comp, up, one } = advBctScores(input);
    // .1 / .4 = 1/4; -.1 / .9 = -1/9.
    expect(comp).toBeCloseTo(Math.exp(0.25) / (1 + Math.exp(0.25)), 14);
    expect(up).toBeCloseTo(0.5 + Math.tanh(-1 / 18) / 2, 14);
    expect(1 / (one as number)).toBeCloseTo((1 / (comp as number) + 1 / (up as number)) / 2, 14);
  });

  it('are one half where nothing is gained and nothing lost', () => {
    expect(advBctScores({ ...input, newOld: 0.5, newNew: 0.9 })).toEqual({ comp: 0.5, up: 0.5, one: 0.5 });
  });

  it('do not exist where the paragon is not surely better, or worth nothing', () => {
    for (const paragonGainInterval of [[-0.1, 0.9], [0, 0.5], null] as const) {
      const scores = advBctScores({ ...input, paragonGainInterval: paragonGainInterval && [...paragonGainInterval] });
      expect(scores).toMatchObject({ comp: null, one: null });
      expect(scores.up).not.toBeNull();
    }
    expect(advBctScores({ ...input, paragon: 0.4, paragonGainInterval: [-0.2, -0.05] }).comp).toBeNull();
    expect(advBctScores({ ...input, paragon: 0 })).toEqual({ comp: null, up: null, one: null });
  });
});

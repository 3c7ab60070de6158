import type { GateResult, UndecidedPolicy } from './report.ts';

/**
 * The exit status that gates ask for, the one place that decides it: 3 when one of severity `error`
 * failed or could not be measured; else, with an undecided one, 4 (`report`), 3 (`fail`) or 0
 * (`pass`); else 0. Warnings and the verdict alone never change it.
 */
export function exitStatusOfGates(
  gates: readonly Pick<GateResult, 'severity' | 'state'>[],
  undecided: UndecidedPolicy,
): 0 | 3 | 4 {
  const states = gates.filter(({ severity }) => severity === 'error').map(({ state }) => state);
  if (states.includes('failed') || states.includes('unmeasured')) return 3;
  if (!states.includes('undecided') || undecided === 'pass') return 0;
  return undecided === 'fail' ? 3 : 4;
}

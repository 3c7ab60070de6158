import type { GateResult, UndecidedPolicy } from '../contract/report.ts';

/** How much a gate matters to whoever reads few of them: 0 most. */
function rank({ severity, state }: GateResult): number {
  const states: readonly GateResult['state'][] = ['failed', 'unmeasured', 'undecided', 'passed'];
  const byState = states.indexOf(state);
  return state !== 'passed' && severity === 'warn' ? byState + 3 : state === 'passed' ? 9 : byState;
}

/** Worst first: failed, not measured, undecided, the same of warnings, passed; else as the config has them. */
export function worstFirst(gates: readonly GateResult[]): GateResult[] {
  return [...gates].sort((a, b) => rank(a) - rank(b));
}

/** Whether a gate alone makes an audit end otherwise than with 0. */
export function stopsPipeline({ severity, state }: GateResult, undecided: UndecidedPolicy): boolean {
  return severity === 'error' && state !== 'passed' && (state !== 'undecided' || undecided !== 'pass');
}

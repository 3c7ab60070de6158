import { comparabilityProblems } from '../contract/comparability.ts';
import { gateWords, limitText } from '../contract/findings.ts';
import { count, interval as intervalText, number as numberText, signed as signedText } from '../contract/format.ts';
import { exitStatusOfGates } from '../contract/gates.ts';
import type {
  GateLimit,
  GateResult,
  GateSeverity,
  GateState,
  Interval,
  MetricName,
  Protocol,
  Report,
  UndecidedPolicy,
} from '../contract/report.ts';
import { checkGateRule, type ParsedRule, parseGateRule, type Step, sameTolerance } from './gateRules.ts';

/** As the config has them: `"off"`, `["off"]`, or a severity with a limit. */
export type GateDefinitions = Readonly<
  Record<string, 'off' | readonly ['off'] | readonly [severity: GateSeverity, limit: GateLimit]>
>;

export interface GateEvaluation {
  results: GateResult[];
  /** 0, 3 or 4, see {@link exitStatusOfGates}. */
  exitStatus: 0 | 3 | 4;
}

/** Gates that are switched on, as [rule, severity, limit]. */
export function activeGates(gates: GateDefinitions): [rule: string, severity: 'error' | 'warn', limit: GateLimit][] {
  return Object.entries(gates).flatMap(([rule, definition]) => {
    if (definition === 'off' || definition[0] === 'off') return [];
    const [severity, limit] = definition as readonly ['error' | 'warn', GateLimit];
    return [[rule, severity, limit] as [string, 'error' | 'warn', GateLimit]];
  });
}

/** What a report is judged beside. */
export interface GateContext {
  /** The committed report that changes are measured from; null or absent: none was named. */
  baseline?: Report | null;
  /** What changed since the audit, in words: then no figure counts as measured. Absent or empty: nothing. */
  stale?: readonly string[];
}

/**
 * Judges a report by the gates of its config. A gate never passes on a figure that is missing.
 * @throws BackcompatError `bad-config` for a rule or limit that {@link checkGateRule} refuses
 */
export function evaluateGates(
  report: Report,
  gates: GateDefinitions,
  undecided: UndecidedPolicy,
  { baseline = null, stale = [] }: GateContext = {},
): GateEvaluation {
  const problems = baseline === null ? [] : comparabilityProblems(report, baseline);
  const results = activeGates(gates).flatMap(([rule, severity, limit]) => {
    checkGateRule(rule, limit, report.protocol);
    const parsed = parseGateRule(rule, report.protocol);
    const before =
      baseline === null || problems.length > 0
        ? null
        : new Map(figuresOf(withSameGains(baseline, report), parsed).map((found) => [found.rule, found.value]));
    const missing = baseline === null ? 'there is no baseline to compare it with' : problemsText(problems);
    return figuresOf(report, parsed).map((found) => {
      if (stale.length > 0) return staleResult(found, severity, limit, stale);
      const known = before === null ? {} : { baseline: before.get(found.rule) ?? null };
      return { ...judge(found, severity, limit, parsed.figure, { ...known, missing }), ...known };
    });
  });
  return { results, exitStatus: exitStatusOfGates(results, undecided) };
}

/** The baseline without gains that are shares of something else: of the paragon's, of the own backfill's. */
function withSameGains(baseline: Report, report: Report): Report {
  const gains = Object.entries(baseline.updateGain).filter(([metric, gain]) => {
    return gain?.against === report.updateGain[metric as MetricName]?.against;
  });
  return { ...baseline, updateGain: Object.fromEntries(gains) };
}

function problemsText(problems: readonly string[]): string {
  return `it cannot be compared with the baseline (${problems.join(' ').replace(/\.$/, '')})`;
}

function staleResult(
  { rule }: FoundFigure,
  severity: 'error' | 'warn',
  limit: GateLimit,
  stale: readonly string[],
): GateResult {
  const message = `${rule} counts as not measured, the report is stale: ${stale.join(' ')}`;
  return { rule, severity, limit, actual: null, interval: null, state: 'unmeasured', message };
}

interface FoundFigure {
  /** The rule with `*` replaced. */
  rule: string;
  value: number | string | null;
  interval: Interval | null;
  /** Queries behind it, null where unknown. */
  queries: number | null;
}

interface Position {
  rule: string[];
  value: unknown;
  queries: number | null;
}

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null;
const numberOrNull = (value: unknown): number | null =>
  typeof value === 'number' && Number.isFinite(value) ? value : null;

function intervalOf(value: unknown): Interval | null {
  if (!Array.isArray(value) || value.length !== 2) return null;
  const [low, high] = [numberOrNull(value[0]), numberOrNull(value[1])];
  return low === null || high === null ? null : [low, high];
}

function take(position: Position, step: Step): Position[] {
  const { value, rule, queries } = position;
  if (step.kind === 'label') {
    const entries = (Array.isArray(value) ? value : []).filter(isObject);
    const chosen = step.label === null ? entries : entries.filter((entry) => entry[step.by] === step.label);
    if (chosen.length === 0) return [{ rule: [...rule, step.label ?? '*'], value: null, queries: null }];
    return chosen.map((entry) => ({
      rule: [...rule, String(entry[step.by])],
      value: entry,
      queries: numberOrNull(entry.queries),
    }));
  }
  const below = isObject(value) ? value : {};
  const keys = step.kind === 'key' ? [step.key] : (step.keys ?? Object.keys(below));
  if (keys.length === 0) return [{ rule: [...rule, '*'], value: null, queries }];
  return keys.map((key) => ({
    rule: [...rule, key],
    value: Object.hasOwn(below, key) ? below[key] : null,
    queries,
  }));
}

/** The figures a rule stands for; one without a value where it stands for none. */
function figuresOf(report: Report, parsed: ParsedRule): FoundFigure[] {
  const queries = (report.protocol.sampledQueries ?? report.data.queries) - report.data.queriesWithoutMatch;
  const { figure: target, steps } = parsed;
  // The last step of a plain number leads to the number itself; its interval lies beside it.
  const own = target.kind === 'picked' || target.field !== null;
  let positions: Position[] = [{ rule: [], value: report, queries }];
  for (const step of own ? steps : steps.slice(0, -1)) {
    positions = positions.flatMap((position) => take(position, step));
  }
  return positions.flatMap((holder) => {
    const last = own ? undefined : steps[steps.length - 1];
    const ends = last === undefined ? [holder] : take(holder, last);
    return ends.map((end) => read(holder, end, target, report.protocol));
  });
}

function read(holder: Position, end: Position, target: ParsedRule['figure'], protocol: Protocol): FoundFigure {
  const inside = isObject(end.value) ? end.value : {};
  if (target.kind === 'picked') {
    const { by, at, field } = target;
    const holds = target.list === null ? end.value : inside[target.list];
    const list = (Array.isArray(holds) ? holds : []).filter(isObject);
    const chosen = at ?? unpicked(by, protocol);
    const entry = list.find((other) => sameTolerance(numberOrNull(other[by]) ?? -1, chosen));
    const estimate = isObject(entry?.[field]) ? entry[field] : {};
    const own = target.estimate ? estimate : entry;
    return {
      rule: [...end.rule, at === null ? field : `${field}@${at}`].join('.'),
      value: numberOrNull(target.estimate ? estimate.value : entry?.[field]),
      interval: target.interval === null ? null : intervalOf(own?.[target.interval]),
      queries: end.queries,
    };
  }
  const rule = end.rule.join('.');
  const value = target.field === null ? end.value : inside[target.field];
  if (target.kind === 'state') {
    return { rule, value: typeof value === 'string' ? value : null, interval: null, queries: end.queries };
  }
  const beside = target.field === null ? (isObject(holder.value) ? holder.value : {}) : inside;
  return {
    rule,
    value: numberOrNull(value),
    interval: target.interval === null ? null : intervalOf(beside[target.interval]),
    queries: end.queries,
  };
}

/** What a rule without @ picks: the strict tolerance, the operating rate, the nearest neighbour. */
function unpicked(by: 'epsilon' | 'far' | 'k', { epsilons, operatingFar }: Protocol): number {
  if (by === 'k') return 1;
  return by === 'far' ? operatingFar : (epsilons[0] ?? 0);
}

interface Before {
  /** The figure in the baseline; absent where there is no comparable one. */
  baseline?: number | string | null;
  /** Why there is none. */
  missing: string;
}

function judge(
  found: FoundFigure,
  severity: 'error' | 'warn',
  limit: GateLimit,
  target: ParsedRule['figure'],
  before: Before,
): GateResult {
  const { rule, value, interval, queries } = found;
  const result = (state: GateState, reason: string): GateResult => ({
    rule,
    severity,
    limit,
    actual: value,
    interval,
    state,
    message: `${rule} ${reason}`,
  });
  if (value === null) return result('unmeasured', 'was not measured.');
  if (limit.minQueries !== undefined && (queries === null || queries < limit.minQueries)) {
    const has = queries === null ? 'an unknown number of' : count(queries);
    return result('unmeasured', `has ${has} queries, the gate asks for ${count(limit.minQueries)}.`);
  }
  const words = limitText({ ...limit, minQueries: undefined });
  if (target.kind === 'state') {
    const state = judgeState(String(value), String(limit.state), target.order);
    return result(state, `is ${value}, the limit is ${words}: ${gateWords[state].word}.`);
  }
  const number = value as number;
  const shown = [numberText(number), intervalText(interval)].filter((part) => part !== '').join(' ');
  const ofValue = judgeNumber(number, interval, limit);
  if (limit.minChange === undefined && limit.maxChange === undefined) {
    const reason =
      ofValue === 'unmeasured'
        ? 'has no interval for its bound.'
        : `is ${shown}, the limit is ${words}: ${gateWords[ofValue].word}.`;
    return result(ofValue, reason);
  }
  const earlier = before.baseline;
  if (typeof earlier !== 'number') {
    const why = earlier === null ? 'the baseline has no such figure' : before.missing;
    return result(ofValue === 'failed' ? 'failed' : 'unmeasured', `is ${shown}, but ${why}.`);
  }
  const change = number - earlier;
  const state = worst(ofValue, judgeChange(change, limit));
  const reason = `${signedText(change)} against the baseline's ${numberText(earlier)}`;
  return result(state, `is ${shown}, ${reason}, the limit is ${words}: ${gateWords[state].word}.`);
}

function judgeState(actual: string, limit: string, order: readonly string[]): GateState {
  if (actual === 'undecided') return 'undecided';
  const position = order.indexOf(actual);
  return position !== -1 && position <= order.indexOf(limit) ? 'passed' : 'failed';
}

/** A difference of two decimals is not a decimal: .49 - .5 may well lose .01. */
const CHANGE_TOLERANCE = 1e-12;

function judgeChange(change: number, limit: GateLimit): GateState {
  const { minChange = Number.NEGATIVE_INFINITY, maxChange = Number.POSITIVE_INFINITY } = limit;
  return change >= minChange - CHANGE_TOLERANCE && change <= maxChange + CHANGE_TOLERANCE ? 'passed' : 'failed';
}

function worst(one: GateState, other: GateState): GateState {
  const order: readonly GateState[] = ['failed', 'unmeasured', 'undecided', 'passed'];
  return order.find((state) => state === one || state === other) ?? one;
}

/**
 * With a bound, an end of the interval is held against the limit; a limit inside the interval leaves
 * the gate undecided when the value itself passes.
 */
function judgeNumber(value: number, interval: Interval | null, limit: GateLimit): GateState {
  const { min = Number.NEGATIVE_INFINITY, max = Number.POSITIVE_INFINITY, bound = 'value' } = limit;
  const within = (number: number) => number >= min && number <= max;
  if (bound === 'value') return within(value) ? 'passed' : 'failed';
  if (interval === null) return 'unmeasured';
  const [low, high] = interval;
  const inside = (low < min && min <= high) || (low <= max && max < high);
  if (inside) return within(value) ? 'undecided' : 'failed';
  return within(bound === 'lower' ? low : high) ? 'passed' : 'failed';
}

import { closest, quotedList } from '../config/closest.ts';
import { BackcompatError } from '../contract/errors.ts';
import { tabulatedFars } from '../contract/protocol.ts';
import type { GateLimit, Protocol } from '../contract/report.ts';

/**
 * Which figures of a report a gate may name, and how. The tree mirrors the report; both checking a
 * rule and looking its figures up walk it, so that the two cannot disagree.
 */
type Place =
  | { kind: 'fields'; fields: Readonly<Record<string, Place>> }
  /** One entry a metric: `map`, `cmc@1`, ... */
  | { kind: 'metrics'; each: Place; leaf?: Leaf }
  /** One entry a class label or value of a column, found in a list by that field. */
  | { kind: 'labels'; by: 'label' | 'value'; each: Place }
  /** One entry a column of the metadata, by its name. */
  | { kind: 'columns'; each: Place }
  | Picked
  | Leaf;

/** A field of an entry of a list, picked with @: `rate@0.01`, `tarAtOldThreshold@0.001`. */
interface Picked {
  kind: 'picked';
  /** What tells the entries apart: tolerance, false accept rate, number of neighbours. */
  by: 'epsilon' | 'far' | 'k';
  /** Field that holds the list; null: it is the list. */
  list: string | null;
  field: string;
  /** Field of the entry with the interval; of the figure itself when that is an estimate. */
  interval: string | null;
  /** The field holds `{ value, interval }`. */
  estimate: boolean;
}

type Leaf =
  | { kind: 'number'; field: string | null; interval: string | null }
  | { kind: 'state'; field: string | null; order: readonly string[] };

/** Best first; what stands behind `undecided` is not a limit anyone can fail. */
const rankingOrder = ['compatible', 'within-margin', 'incompatible'] as const;
const thresholdOrder = ['kept', 'restorable', 'broken'] as const;
const inequalityOrder = ['kept', 'as-noise', 'violated'] as const;

const number = (interval: string | null = null): Leaf => ({ kind: 'number', field: null, interval });
const fields = (entries: Readonly<Record<string, Place>>): Place => ({ kind: 'fields', fields: entries });

/** `{ value, interval }`, named with or without `.value`. */
const estimate: Place = {
  kind: 'metrics',
  leaf: { kind: 'number', field: 'value', interval: 'interval' },
  each: fields({ value: number('interval') }),
};
const cell = estimate;

/** Fields of the entries of a list; those with an interval name it. */
function picked<const Fields extends Readonly<Record<string, string | null>>>(
  by: Picked['by'],
  list: string | null,
  intervals: Fields,
  estimate = false,
): Readonly<Record<keyof Fields, Place>> {
  const entries = Object.entries(intervals).map(([field, interval]): [string, Place] => [
    field,
    { kind: 'picked', by, list, field, interval, estimate },
  ]);
  return Object.fromEntries(entries) as Record<keyof Fields, Place>;
}

const violations: Place = fields({
  pairs: number(),
  ...picked('epsilon', 'byEpsilon', { rate: 'interval', violations: null }),
  severity: number('severityInterval'),
  macroRate: number(),
});
const signed: Place = fields({ positive: violations, negative: violations });

/** The interval of a comparison belongs to its difference, not to either side. */
const oldNewDifference: Place = fields({ old: number(), new: number(), difference: number('interval') });

const criterion: Place = {
  kind: 'metrics',
  leaf: { kind: 'state', field: 'state', order: rankingOrder },
  each: fields({
    old: number(),
    new: number(),
    difference: number('interval'),
    state: { kind: 'state', field: null, order: rankingOrder },
  }),
};

const atThreshold: Place = fields(picked('far', null, { threshold: null, tar: null }));
const transfer: Place = fields(
  picked('far', null, {
    oldThreshold: null,
    farAtOldThreshold: null,
    tarAtOldThreshold: 'tarInterval',
    restoringThreshold: null,
    tarAtRestoringThreshold: null,
  }),
);

/** A share that is never reached is null, and so never within a limit. */
const backfill: Place = {
  kind: 'metrics',
  each: fields({
    area: number(),
    worst: fields({ share: number(), value: number() }),
    reachesOldOld: number(),
    reachesNewNew: number(),
  }),
};

const report: Place = fields({
  verdict: fields({
    state: { kind: 'state', field: null, order: rankingOrder },
    thresholds: { kind: 'state', field: null, order: thresholdOrder },
    inequalities: { kind: 'state', field: null, order: inequalityOrder },
  }),
  data: fields({
    queries: number(),
    gallery: number(),
    classes: number(),
    sharedItems: number(),
    queriesWithoutMatch: number(),
    positivePairs: number(),
    negativePairs: number(),
  }),
  retrieval: fields({ oldOld: cell, newOld: cell, newNew: cell, oldNew: cell }),
  criterion,
  updateGain: {
    kind: 'metrics',
    leaf: { kind: 'number', field: 'value', interval: null },
    each: fields({ value: number() }),
  },
  tax: { kind: 'metrics', leaf: number(), each: fields({}) },
  paragonCells: fields({ newOld: cell, newNew: cell }),
  advbct: { kind: 'metrics', each: fields({ comp: number(), up: number(), one: number() }) },
  inequalities: fields({
    positive: violations,
    negative: violations,
    references: fields({ jitteredOld: signed, permutedNew: signed, procrustes: signed }),
  }),
  triplets: fields({ sampled: number(), inverted: number('interval'), repaired: number() }),
  flips: fields({
    negativeFlipRate: number('negativeFlipRateInterval'),
    positiveFlipRate: number('positiveFlipRateInterval'),
    relativeNegativeFlipRate: number(),
    flippedQueries: number(),
  }),
  verification: fields({
    cells: fields({ oldOld: atThreshold, newOld: atThreshold, newNew: atThreshold, oldNew: atThreshold }),
    transfer: fields({ newOld: transfer, newNew: transfer }),
    consequential: fields(
      picked('far', null, {
        newFalseAccepts: null,
        mendedFalseAccepts: null,
        newFalseRejects: null,
        mendedFalseRejects: null,
      }),
    ),
  }),
  agreement: fields({
    queries: number(),
    neighbourOverlap: fields(picked('k', null, { newOld: 'interval', newNew: 'interval' }, true)),
    displacement: fields({ mean: number(), median: number(), p95: number() }),
    procrustesResidual: number(),
  }),
  backfillSummary: fields({ random: backfill, displacement: backfill, outliers: backfill }),
  matrix: fields({ ac: number(), am: number(), bc: number(), fc: number() }),
  slices: {
    kind: 'columns',
    each: {
      kind: 'labels',
      by: 'value',
      each: fields({
        queries: number(),
        criterion,
        newNew: { kind: 'metrics', leaf: number(), each: fields({}) },
        positiveRate: number(),
        negativeRate: number(),
        negativeFlipRate: number(),
      }),
    },
  },
  classes: {
    kind: 'labels',
    by: 'label',
    each: fields({
      queries: number(),
      positiveRate: number(),
      negativeRate: number(),
      'cmc@1': oldNewDifference,
      map: oldNewDifference,
    }),
  },
});

export type Step =
  | { kind: 'key'; key: string }
  /** `*`, and the keys it stands for; null: whatever the report holds. */
  | { kind: 'each'; keys: readonly string[] | null }
  | { kind: 'label'; by: 'label' | 'value'; label: string | null };

/** A rule understood: the way to its figures and what they are. */
export interface ParsedRule {
  rule: string;
  steps: readonly Step[];
  /** `at`: what stands behind the @, null for nothing. */
  figure: (Picked & { at: number | null }) | Leaf;
}

const metricPattern = /^(cmc@[1-9]\d*|map@r|map|rPrecision)(?=\.|$)/;
const pickedPattern = /^([a-zA-Z]+)(?:@([0-9.]+(?:[eE][+-]?\d+)?))?$/;

/** All readings of `rest` below `place`; a label, value or column may hold dots, so there can be several. */
function* readings(place: Place, rest: string | null, steps: readonly Step[]): Generator<Omit<ParsedRule, 'rule'>> {
  if (place.kind === 'picked') return;
  if (place.kind === 'number' || place.kind === 'state') {
    if (rest === null) yield { steps, figure: place };
    return;
  }
  if (rest === null) return;
  const after = (length: number) => (length === rest.length ? null : rest.slice(length + 1));
  const star = rest === '*' || rest.startsWith('*.');
  switch (place.kind) {
    case 'fields': {
      const [, field, at] = pickedPattern.exec(rest) ?? [];
      const below = field !== undefined && Object.hasOwn(place.fields, field) ? place.fields[field] : undefined;
      if (below?.kind === 'picked') {
        yield { steps, figure: { ...below, at: at === undefined ? null : Number(at) } };
        return;
      }
      const names = Object.keys(place.fields);
      for (const name of names) {
        if (rest !== name && !rest.startsWith(`${name}.`)) continue;
        yield* readings(place.fields[name] as Place, after(name.length), [...steps, { kind: 'key', key: name }]);
      }
      if (!star) return;
      // `*` stands for every field that the rest of the rule fits.
      const fitting = names.filter((name) => !readings(place.fields[name] as Place, after(1), []).next().done);
      const [first] = fitting;
      if (first !== undefined) {
        yield* readings(place.fields[first] as Place, after(1), [...steps, { kind: 'each', keys: fitting }]);
      }
      return;
    }
    case 'metrics': {
      const name = star ? '*' : metricPattern.exec(rest)?.[1];
      if (name === undefined) return;
      const step: Step = star ? { kind: 'each', keys: null } : { kind: 'key', key: name };
      const below = after(name.length);
      if (below === null) {
        if (place.leaf) yield { steps: [...steps, step], figure: place.leaf };
      } else yield* readings(place.each, below, [...steps, step]);
      return;
    }
    case 'labels':
    case 'columns': {
      const step = (name: string | null): Step => {
        if (place.kind === 'labels') return { kind: 'label', by: place.by, label: name };
        return name === null ? { kind: 'each', keys: null } : { kind: 'key', key: name };
      };
      if (star) yield* readings(place.each, after(1), [...steps, step(null)]);
      for (let end = rest.indexOf('.'); end !== -1; end = rest.indexOf('.', end + 1)) {
        if (star && end === 1) continue;
        yield* readings(place.each, after(end), [...steps, step(rest.slice(0, end))]);
      }
      return;
    }
  }
}

/** Every rule without stars and labels, for suggestions. */
function* examples(place: Place, prefix: string, ks: readonly number[]): Generator<string> {
  const below = (name: string) => (prefix === '' ? name : `${prefix}.${name}`);
  if (place.kind === 'number' || place.kind === 'state' || place.kind === 'picked') {
    yield prefix;
  } else if (place.kind === 'fields') {
    for (const [name, child] of Object.entries(place.fields)) yield* examples(child, below(name), ks);
  } else if (place.kind === 'metrics') {
    for (const metric of ['map', 'map@r', 'rPrecision', ...ks.map((k) => `cmc@${k}`)]) {
      if (place.leaf) yield below(metric);
      yield* examples(place.each, below(metric), ks);
    }
  } else {
    yield* examples(place.each, below('*'), ks);
  }
}

/** Every rule there is, with `*` for class labels, columns and their values. */
export function allGateRules(ks: readonly number[]): string[] {
  return [...examples(report, '', ks)];
}

/** What the audit will measure, as far as rules may name it. */
export type Measured = Pick<Protocol, 'ks' | 'epsilons'> & Partial<Pick<Protocol, 'operatingFar'>>;

function configError(rule: string, problem: string, remedy?: string): BackcompatError {
  return new BackcompatError('bad-config', `The gate ${JSON.stringify(rule)} ${problem}`, {
    place: { field: `gates.${rule}` },
    remedy,
  });
}

/**
 * Reads a rule.
 * @param measured the protocol, where known: a metric or tolerance that it leaves out is an error
 * @throws BackcompatError `bad-config` naming the rule, with a suggestion where one is near
 */
export function parseGateRule(rule: string, measured?: Measured): ParsedRule {
  const [found] = readings(report, rule, []);
  if (!found) {
    const known = [...examples(report, '', measured?.ks ?? [1, 5, 10])];
    const near = closest(rule, known) ?? nearestByParts(rule, known);
    throw configError(
      rule,
      'names no figure of the report.',
      near === null
        ? 'A rule is a dotted path into the report, for example "retrieval.newOld.map".'
        : `Did you mean ${JSON.stringify(near)}?`,
    );
  }
  if (measured) {
    const k = /(?:^|\.)cmc@(\d+)(?=\.|$)/.exec(rule)?.[1];
    const asMetric = found.steps.some((step) => step.kind === 'key' && step.key === `cmc@${k}`);
    const ofClass = found.steps.some((step) => step.kind === 'label' && step.by === 'label');
    if (k !== undefined && asMetric && !ofClass && !measured.ks.includes(Number(k))) {
      throw configError(rule, `needs cmc@${k}, which is not measured.`, `Add ${k} to the "ks" of the audit block.`);
    }
    checkPick(rule, found.figure, measured);
  }
  return { rule, ...found };
}

function checkPick(rule: string, figure: ParsedRule['figure'], { epsilons, operatingFar }: Measured): void {
  if (figure.kind !== 'picked' || figure.at === null) return;
  const { at, by } = figure;
  if (by === 'epsilon' && !epsilons.some((other) => sameTolerance(other, at))) {
    throw configError(
      rule,
      `picks the tolerance ${at}, which is not measured.`,
      `Measured are ${epsilons.join(', ')}; add it to the "epsilons" of the audit block.`,
    );
  }
  const fars = [...tabulatedFars, ...(operatingFar === undefined ? [] : [operatingFar])];
  if (by === 'far' && !fars.some((other) => sameTolerance(other, at))) {
    throw configError(
      rule,
      `picks the false accept rate ${at}, which is not measured.`,
      `Measured are ${[...new Set(fars)].join(', ')}; set "operatingFar" of the audit block to it.`,
    );
  }
}

/** Tolerances are typed twice, in two places: equal up to rounding. */
export function sameTolerance(a: number, b: number): boolean {
  return Math.abs(a - b) <= 1e-9 * Math.max(Math.abs(a), Math.abs(b));
}

/** Corrects a rule part by part: long rules may hold more than the two typing errors `closest` allows. */
function nearestByParts(rule: string, known: readonly string[]): string | null {
  const parts = rule.split('.');
  const corrected: string[] = [];
  let left = known.map((path) => path.split('.'));
  for (const [index, part] of parts.entries()) {
    const candidates = new Set(left.map((path) => path[index]).filter((name) => name !== undefined));
    const chosen = candidates.has(part) ? part : closest(part, candidates);
    if (chosen === null) return null;
    corrected.push(chosen);
    left = left.filter((path) => path[index] === chosen);
  }
  const result = corrected.join('.');
  return known.includes(result) ? result : null;
}

/** Best first, without the worst, which nothing could fail. */
export function acceptableStates(order: readonly string[]): readonly string[] {
  return order.slice(0, -1);
}

/**
 * Checks one gate of the config before anything is computed.
 * @throws BackcompatError `bad-config` naming the rule: unknown figure, a limit that does not fit it,
 *   a bound where there is no interval
 */
export function checkGateRule(rule: string, limit: GateLimit, measured?: Measured): void {
  const { figure } = parseGateRule(rule, measured);
  const { state, min, max, bound, minChange, maxChange } = limit;
  const ofValue = min !== undefined || max !== undefined;
  const ofChange = minChange !== undefined || maxChange !== undefined;
  if (figure.kind === 'state') {
    const accepted = acceptableStates(figure.order);
    if (ofChange) throw configError(rule, 'is a state and takes no "minChange" or "maxChange".', 'Give it a "state".');
    if (ofValue) {
      const other = rule.startsWith('criterion.')
        ? ` For a number, use "${rule.replace(/\.state$/, '')}.difference".`
        : '';
      throw configError(rule, 'is a state and takes no "min" or "max".', `Give it a "state".${other}`);
    }
    if (bound !== undefined && bound !== 'value') throw configError(rule, 'is a state and has no "bound".');
    if (state === undefined) throw configError(rule, 'has no limit.', `Give it a "state": ${quotedList(accepted)}.`);
    if (!accepted.includes(state)) {
      throw configError(
        rule,
        `cannot have the limit ${JSON.stringify(state)}.`,
        `It takes ${quotedList(accepted)}: that state or a better one passes.`,
      );
    }
    return;
  }
  if (state !== undefined) throw configError(rule, 'is a number and takes no "state".', 'Give it a "min" or a "max".');
  if (!ofValue && !ofChange) {
    throw configError(rule, 'has no limit.', 'Give it a "min" or a "max", or a "minChange" or "maxChange".');
  }
  if (min !== undefined && max !== undefined && min > max) {
    throw configError(rule, `has a "min" of ${min} above its "max" of ${max}.`);
  }
  if (minChange !== undefined && maxChange !== undefined && minChange > maxChange) {
    throw configError(rule, `has a "minChange" of ${minChange} above its "maxChange" of ${maxChange}.`);
  }
  if (bound !== undefined && bound !== 'value' && !ofValue) {
    throw configError(
      rule,
      'has a "bound" but neither "min" nor "max".',
      'Remove "bound": two reports are compared by their values, a change between them has no interval.',
    );
  }
  if (bound !== undefined && bound !== 'value' && !hasInterval(figure)) {
    throw configError(rule, 'has no interval, so it takes no "bound".', 'Leave "bound" out, or set it to "value".');
  }
}

function hasInterval(figure: ParsedRule['figure']): boolean {
  return figure.kind !== 'state' && figure.interval !== null;
}

import path from 'node:path';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { type AdapterKind, adapterKinds, type Distance, type MetricName } from '../core/contract/report.ts';
import type { AuditOverrides } from '../core/pipeline/auditRequest.ts';

/** Options of every command that works for a while. */
export interface CommonOptions {
  threads?: number;
  quiet?: boolean;
  debug?: boolean;
}

export function addCommonOptions(command: Command): Command {
  return command
    .option('--threads <n>', 'threads for arithmetic and decoding (default: one a core)', positiveInteger)
    .option('--quiet', 'print errors only')
    .option('--debug', 'print stack traces, and keep the directory of a run that failed');
}

/** Options that replace what the config says about the measurement. */
export interface OverrideOptions {
  distance?: Distance;
  dimensionRule?: 'slice' | 'pad' | 'project';
  adapter?: AdapterKind;
  adapterFile?: string;
  epsilons?: number[];
  metric?: MetricName;
  margin?: number;
  operatingFar?: number;
  resamples?: number;
  pairBudget?: number;
  seed?: number;
}

export function addOverrideOptions(command: Command): Command {
  return command
    .addOption(new Option('--distance <name>', 'distance of vectors').choices(['cosine', 'euclidean', 'dot']))
    .addOption(
      new Option('--dimension-rule <rule>', 'how vectors of different length are compared').choices([
        'slice',
        'pad',
        'project',
      ]),
    )
    .addOption(new Option('--adapter <kind>', 'the map that --dimension-rule project fits').choices(adapterKinds))
    .option(
      '--adapter-file <file>',
      'an adapter of backcompat adapt, through which new vectors meet old ones',
      toAbsolute,
    )
    .option('--epsilons <list>', 'tolerances of the inequalities, for example 1e-6,0.01,0.05', tolerances)
    .option('--metric <name>', 'metric of the verdict: map, map@r, rPrecision or cmc@K', metricName)
    .option('--margin <m>', 'how much worse still passes as "within margin"', notNegative)
    .option('--operating-far <f>', 'false accept rate at which the service runs, for example 0.01', openShare)
    .option('--resamples <n>', 'bootstrap resamples', positiveInteger)
    .option('--pair-budget <n>', 'pairs a cell up to which everything is exact', positiveNumber)
    .option('--seed <n>', 'seed of every random choice', wholeNumber);
}

export function overridesOf(options: OverrideOptions): AuditOverrides {
  const {
    metric,
    distance,
    dimensionRule,
    adapter,
    adapterFile,
    epsilons,
    margin,
    operatingFar,
    resamples,
    pairBudget,
    seed,
  } = options;
  const all = {
    distance,
    dimensionRule,
    adapter,
    adapterFile,
    epsilons,
    criterionMetric: metric,
    margin,
    operatingFar,
    resamples,
    pairBudget,
    seed,
  };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined));
}

/** The same as arguments, for the process that computes and for repeating the run. */
export function overrideArguments(options: OverrideOptions): string[] {
  const entries: [string, string | number | undefined][] = [
    ['--distance', options.distance],
    ['--dimension-rule', options.dimensionRule],
    ['--adapter', options.adapter],
    ['--adapter-file', options.adapterFile],
    ['--epsilons', options.epsilons?.join(',')],
    ['--metric', options.metric],
    ['--margin', options.margin],
    ['--operating-far', options.operatingFar],
    ['--resamples', options.resamples],
    ['--pair-budget', options.pairBudget],
    ['--seed', options.seed],
  ];
  return entries.flatMap(([name, value]) => (value === undefined ? [] : [name, String(value)]));
}

function toAbsolute(file: string): string {
  return path.resolve(file);
}

function toNumber(text: string): number {
  const value = text.trim() === '' ? Number.NaN : Number(text);
  if (!Number.isFinite(value)) throw new InvalidArgumentError('It is not a number.');
  return value;
}

function positiveNumber(text: string): number {
  const value = toNumber(text);
  if (value <= 0) throw new InvalidArgumentError('It must be above 0.');
  return value;
}

function openShare(text: string): number {
  const value = positiveNumber(text);
  if (value >= 1) throw new InvalidArgumentError('It must be below 1.');
  return value;
}

function notNegative(text: string): number {
  const value = toNumber(text);
  if (value < 0) throw new InvalidArgumentError('It must not be negative.');
  return value;
}

export function wholeNumber(text: string): number {
  const value = toNumber(text);
  if (!Number.isSafeInteger(value)) throw new InvalidArgumentError('It must be a whole number.');
  return value;
}

export function positiveInteger(text: string): number {
  const value = wholeNumber(text);
  if (value < 1) throw new InvalidArgumentError('It must be at least 1.');
  return value;
}

function tolerances(text: string): number[] {
  const values = text.split(',').map(notNegative);
  if (values.some((value, index) => index > 0 && value <= (values[index - 1] as number))) {
    throw new InvalidArgumentError('Tolerances must ascend: the first is the strict one.');
  }
  return values;
}

function metricName(text: string): MetricName {
  if (!/^(map|map@r|rPrecision|cmc@[1-9]\d*)$/.test(text)) {
    throw new InvalidArgumentError('It is none of map, map@r, rPrecision, cmc@K.');
  }
  return text as MetricName;
}

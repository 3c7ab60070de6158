/** What the page of a comparison is shown. */
import type { ComparedCurves, Comparison } from '../core/contract/comparison.ts';
import { isFigure, isFigureOrNull, isListOf, isObject, isTextOrNull } from './checks.ts';

export interface ComparePage {
  comparison: Comparison;
  /** One a report, in the comparison's order. */
  curves: ComparedCurves[];
  /** The command line that makes the same comparison. */
  cliCommand: string;
}

const isFigures = (value: unknown) => isListOf(value, isFigure);
const areTexts = (...values: unknown[]) => values.every((value) => typeof value === 'string');

function isReport(value: unknown): boolean {
  if (!isObject(value)) return false;
  const { key, label, pair, old, new: next, created, metric, summary } = value;
  return (
    areTexts(key, pair, old, next, created, metric, summary) &&
    isTextOrNull(label) &&
    [value.flipped, value.flippedInA].every(isFigureOrNull) &&
    isObject(value.states) &&
    isListOf(value.problems, (problem) => isObject(problem) && areTexts(problem.text, problem.reach))
  );
}

const isInterval = (value: unknown) => value === null || (isFigures(value) && (value as unknown[]).length === 2);

function isDifference(value: unknown, reports: number): boolean {
  return (
    isObject(value) &&
    areTexts(value.rule, value.title, value.clarity) &&
    [value.report, value.from, value.to, value.change].every(isFigure) &&
    (value.report as number) < reports &&
    [value.fromInterval, value.toInterval].every(isInterval)
  );
}

function isFigureRow(value: unknown, reports: number): boolean {
  const isValue = (entry: unknown) => isObject(entry) && isFigureOrNull(entry.value) && isInterval(entry.interval);
  return (
    isObject(value) &&
    areTexts(value.rule, value.title, value.better) &&
    isListOf(value.values, isValue) &&
    value.values.length === reports
  );
}

function isCurves(value: unknown): boolean {
  return (
    isObject(value) &&
    isObject(value.cmc) &&
    Object.values(value.cmc).every(isFigures) &&
    isObject(value.roc) &&
    Object.values(value.roc).every((roc) => isObject(roc) && isFigures(roc.far) && isFigures(roc.tar)) &&
    [value.tolerances, value.positive, value.negative].every(isFigures)
  );
}

/** Whether a host really sent what a comparison's page shows. */
export function isComparePage(value: unknown): value is ComparePage {
  if (!isObject(value) || typeof value.cliCommand !== 'string' || !isObject(value.comparison)) return false;
  const { reports, differences, figures } = value.comparison;
  if (!isListOf(reports, isReport) || reports.length < 2) return false;
  return (
    isListOf(differences, (each) => isDifference(each, reports.length)) &&
    isListOf(figures, (each) => isFigureRow(each, reports.length)) &&
    isListOf(value.curves, isCurves) &&
    value.curves.length === reports.length
  );
}

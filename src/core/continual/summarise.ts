import { matrixFigures } from '../audit/versionMatrix.ts';
import { SESSION_KS, type SessionFigures, type SessionsSummary } from '../contract/sessions.ts';

/** Brings the figures of a method's sessions together, first session first. A mean is null where one of its parts is. */
export function summariseSessions(sessions: readonly SessionFigures[]): SessionsSummary {
  const matrix = sessions.map(({ alone }) => alone);
  const isComplete = matrix.every((row) => row.every((value) => value !== null));
  const { ac, am, bc } = isComplete ? matrixFigures(matrix as number[][]) : { ac: null, am: null, bc: null };
  return {
    averageRecall: Object.fromEntries(
      SESSION_KS.map((k) => [k, meanOf(sessions.map(({ recall }) => recall[k] ?? null))]),
    ),
    averageMap: meanOf(sessions.map(({ map }) => map)),
    matrix,
    decay: matrix.map((row, k) => matrix.slice(k).map((later) => difference(later[k], row[k]))),
    ac,
    am,
    bc,
    fc: null,
  };
}

function difference(a: number | null | undefined, b: number | null | undefined): number | null {
  return a === null || a === undefined || b === null || b === undefined ? null : a - b;
}

function meanOf(values: readonly (number | null)[]): number | null {
  let total = 0;
  for (const value of values) {
    if (value === null) return null;
    total += value;
  }
  return values.length === 0 ? null : total / values.length;
}

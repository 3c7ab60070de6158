/** What the page of a comparison shows. Reads reports; nothing of the editor. */
import { comparedCurves } from '../core/contract/comparison.ts';
import { asBackcompatError } from '../core/contract/errors.ts';
import type { ComparedFile } from '../core/pipeline/training/comparedReports.ts';
import { compareReports } from '../core/report/compareReports.ts';
import { readReport } from '../core/report/reportFile.ts';
import type { PageState } from '../protocol/messages.ts';
import { commandText } from './commandLine.ts';
import { plainFailure } from './pageFailure.ts';

/** The page, or why one of the files cannot be compared. */
export async function comparePageOf(compared: readonly ComparedFile[]): Promise<PageState> {
  try {
    const files = compared.map(({ file }) => file);
    const reports = await Promise.all(files.map((file) => readReport(file)));
    const comparison = compareReports(
      reports,
      compared.map(({ label }) => label),
    );
    const cliCommand = commandText(['compare', ...files]);
    return { kind: 'compare', comparison, curves: reports.map(comparedCurves), cliCommand };
  } catch (error) {
    const { message, remedy } = asBackcompatError(error);
    return { kind: 'failed', failure: plainFailure('These reports cannot be compared', message, remedy) };
  }
}

/** What a panel's page keeps, so that the comparison is there again after a reload. */
export function keptComparison(compared: readonly ComparedFile[]): Record<string, string> {
  return { compared: JSON.stringify(compared) };
}

/** What {@link keptComparison} gave; null for anything else. */
export function parseKeptComparison(state: unknown): ComparedFile[] | null {
  const text = (state as { compared?: unknown } | null)?.compared;
  if (typeof text !== 'string') return null;
  try {
    const kept: unknown = JSON.parse(text);
    return Array.isArray(kept) && kept.length > 1 && kept.every(isComparedFile) ? kept : null;
  } catch {
    return null;
  }
}

function isComparedFile(value: unknown): value is ComparedFile {
  if (typeof value !== 'object' || value === null) return false;
  const { file, label } = value as Partial<ComparedFile>;
  return typeof file === 'string' && (label === null || typeof label === 'string');
}

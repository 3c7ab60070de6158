import path from 'node:path';
import { readRecord } from './trainingRecord.ts';

/** A report that takes part in a comparison. */
export interface ComparedFile {
  /** Absolute. */
  file: string;
  /** What tells it from others of its pair; null: nothing but the time. */
  label: string | null;
}

/** What a report stands for in a comparison: that of a sweep for those of all its values, the paragon's first. */
export async function comparedReports(report: string): Promise<ComparedFile[]> {
  const directory = path.dirname(report);
  const record = await readRecord(directory);
  const isSweep = record !== null && record.chosen !== null && record.chosen !== '';
  if (!isSweep) return [{ file: report, label: null }];
  return record.parts.flatMap((part) =>
    part.report === null ? [] : [{ file: path.join(directory, part.report), label: part.title }],
  );
}

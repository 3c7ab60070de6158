/** Sentences about queries whose hit changed. */
import type { Phrase } from './findings.ts';
import { count, counted, percent } from './format.ts';
import type { Report } from './report.ts';

/** "1.3 % of queries that were right became wrong; 7.4 % ...". */
export function flipsSentence(report: Report): Phrase[] {
  const { flips } = report;
  if (flips.negativeFlipRate === null) return [{ text: 'Flips were not measured', strong: true }, { text: '.' }];
  const hit = flips.k === 1 ? 'the first hit' : `the first ${count(flips.k)} hits`;
  if (flips.negativeFlipRate === 0 && (flips.positiveFlipRate ?? 0) === 0)
    return [{ text: 'No query changed', strong: true }, { text: ` between right and wrong at ${hit}.` }];
  return [
    { text: `${percent(flips.negativeFlipRate)} of queries became wrong`, strong: true },
    { text: ` at ${hit}, ${percent(flips.positiveFlipRate)} became right: what users of the old model lose and gain.` },
  ];
}

export interface ClassFlips {
  label: string;
  flipped: number;
  /** null where the report lists no such class. */
  queries: number | null;
  /** The class that most of them match now. */
  after: string;
  afterCount: number;
}

/** Listed flipped queries by their class, most first. */
export function flipsByClass(report: Report): ClassFlips[] {
  const queries = new Map(report.classes.map((entry) => [entry.label, entry.queries]));
  const byLabel = new Map<string, Map<string, number>>();
  for (const { label, afterLabel } of report.worst.flippedQueries) {
    const after = byLabel.get(label) ?? new Map<string, number>();
    after.set(afterLabel, (after.get(afterLabel) ?? 0) + 1);
    byLabel.set(label, after);
  }
  const rows = [...byLabel].map(([label, after]) => {
    const [top, ...rest] = [...after].sort((a, b) => b[1] - a[1]);
    const flipped = [top, ...rest].reduce((sum, entry) => sum + (entry?.[1] ?? 0), 0);
    return { label, flipped, queries: queries.get(label) ?? null, after: top?.[0] ?? '', afterCount: top?.[1] ?? 0 };
  });
  return rows.sort((a, b) => b.flipped - a.flipped);
}

/** "Class 4 takes 9 of the 13 queries that became wrong". */
export function classFlipsTitle(report: Report): string {
  const rows = flipsByClass(report);
  const [top] = rows;
  if (!top) return 'No class lost a query';
  const listed = report.worst.flippedQueries.length;
  const of = listed < report.flips.flippedQueries ? `the ${count(listed)} listed` : counted(listed, 'query', 'queries');
  if (rows.length === 1)
    return listed === 1 ? `The one query is of class ${top.label}` : `All ${of} are of class ${top.label}`;
  return top.flipped > 1
    ? `Class ${top.label} takes ${count(top.flipped)} of ${of} that became wrong`
    : `No class loses more than one query`;
}

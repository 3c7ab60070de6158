import path from 'node:path';
import { type Command, Option } from 'commander';
import { readRecord } from '../core/pipeline/training/trainingRecord.ts';
import { compareReports } from '../core/report/compareReports.ts';
import { renderComparisonMarkdown, renderComparisonText } from '../core/report/renderComparison.ts';
import { readReport } from '../core/report/reportFile.ts';
import { writeFileAtomic } from '../core/runs/atomicFile.ts';
import { findReport } from '../core/runs/listRuns.ts';
import { createOutput, usageError } from './output.ts';
import { checkTarget } from './renderings.ts';

const formats = ['text', 'md', 'json'] as const;

interface CompareOptions {
  format: (typeof formats)[number];
  output?: string;
  debug?: boolean;
}

/** More columns than anyone reads. */
const MAX_REPORTS = 26;

const help = `
Each RUN is what "backcompat report" takes; a sweep of trainings stands for all of its parts. The first is A, what the others are compared with: differences
come first, those whose intervals do not overlap on top; then all key figures. Reports of another protocol
or other items are shown, but not compared.

Examples:
  backcompat compare v1-v2 v1-v2-bct
  backcompat compare v1-v2 v1-v2-bct v1-v2-adapter --format md -o comparison.md
`;

export function addCompareCommand(program: Command): void {
  program
    .command('compare')
    .description('hold the reports of two or more runs against each other, differences first')
    .argument('<runs...>', 'runs, reports, or names of pairs')
    .addOption(new Option('--format <name>', 'text, md or json').choices(formats).default('text'))
    .option('-o, --output <file>', 'write it there instead of stdout')
    .option('--debug', 'print stack traces')
    .addHelpText('after', help)
    .action(async (runs: string[], options: CompareOptions) => {
      const output = createOutput(options);
      const { format } = options;
      if (format === 'json' && options.output !== undefined) {
        throw usageError('A comparison as JSON is no report; send it to a file with > instead of -o.');
      }
      const target = options.output === undefined ? null : await checkTarget(options.output, format);
      const files = [];
      for (const run of runs) files.push(...(await reportsOf(run)));
      if (files.length < 2) throw usageError('One report has nothing to be compared with.', 'Name two or more runs.');
      if (files.length > MAX_REPORTS) throw usageError(`At most ${MAX_REPORTS} reports are compared at once.`);
      const reports = [];
      for (const file of files) reports.push(await readReport(file));
      const comparison = compareReports(reports);
      const { width, colour } = target === null ? output : { width: 100, colour: false };
      const text =
        format === 'json'
          ? `${JSON.stringify(comparison, null, 2)}\n`
          : format === 'md'
            ? renderComparisonMarkdown(comparison)
            : renderComparisonText(comparison, { width, colour });
      if (target === null) output.data(text);
      else await writeFileAtomic(target, text);
    });
}

/** Files of the reports that a person means: of a sweep those of all its parts, the paragon's first. */
async function reportsOf(run: string): Promise<string[]> {
  const file = await findReport(run, process.cwd());
  const directory = path.dirname(file);
  const record = await readRecord(directory);
  const isSweep = record !== null && record.chosen !== null && record.chosen !== '';
  if (!isSweep) return [file];
  return record.parts.flatMap(({ report }) => (report === null ? [] : path.join(directory, report)));
}

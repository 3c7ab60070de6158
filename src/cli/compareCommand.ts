import { type Command, Option } from 'commander';
import { comparedReports } from '../core/pipeline/training/comparedReports.ts';
import { compareReports, MAX_COMPARED_REPORTS } from '../core/report/compareReports.ts';
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

const help = `
Each RUN is what "backcompat report" takes; a sweep of trainings stands for all of its parts. The first is A, what the others are compared with: differences
come first, those whose intervals do not overlap on top; then all key figures. What another protocol or other
items keep from being compared is shown, but not compared.

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
      for (const run of runs) files.push(...(await comparedReports(await findReport(run, process.cwd()))));
      if (files.length < 2) throw usageError('One report has nothing to be compared with.', 'Name two or more runs.');
      if (files.length > MAX_COMPARED_REPORTS)
        throw usageError(`At most ${MAX_COMPARED_REPORTS} reports are compared at once.`);
      const reports = [];
      for (const { file } of files) reports.push(await readReport(file));
      const labels = files.map(({ label }) => label);
      const comparison = compareReports(reports, labels);
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

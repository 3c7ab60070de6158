import { open } from 'node:fs/promises';
import path from 'node:path';
import { type Command, Option } from 'commander';
import { BackcompatError } from '../core/contract/errors.ts';
import { readPreviews } from '../core/report/previewsFile.ts';
import { renderHtml } from '../core/report/renderHtml.ts';
import { renderText } from '../core/report/renderText.ts';
import { checkReportTarget, readReport, serialiseReport } from '../core/report/reportFile.ts';
import { writeFileAtomic } from '../core/runs/atomicFile.ts';
import { findReport } from '../core/runs/listRuns.ts';
import { readPageAssets } from './assets.ts';
import { createOutput, type Output } from './output.ts';
import type { CliServices } from './services.ts';

const formats = ['text', 'json', 'html'] as const;
type Format = (typeof formats)[number];

interface ReportOptions {
  format: Format;
  output?: string;
  debug?: boolean;
}

const help = `
RUN is a run's directory, its id or the beginning of it, a report's file, or the name of a pair, whose
latest finished run it is.

Examples:
  backcompat report v1-v2
  backcompat report v1-v2 --format html -o report.html
`;

export function addReportCommand(program: Command, services: CliServices): void {
  program
    .command('report')
    .description('print or convert the report of a finished run')
    .argument('<run>', 'a run, a report, or the name of a pair')
    .addOption(new Option('--format <name>', 'text, json or html').choices(formats).default('text'))
    .option('-o, --output <file>', 'write it there instead of stdout')
    .option('--debug', 'print stack traces')
    .addHelpText('after', help)
    .action(async (run: string, options: ReportOptions) => {
      const output = createOutput(options);
      const found = await findReport(run, process.cwd());
      const text = await render(found, options, output, services);
      if (options.output === undefined) return output.data(text);
      const file = path.resolve(options.output);
      await checkTarget(file, options.format);
      await writeFileAtomic(file, text);
    });
}

async function render(file: string, options: ReportOptions, output: Output, services: CliServices): Promise<string> {
  const report = await readReport(file);
  switch (options.format) {
    case 'json':
      return serialiseReport(report);
    case 'html':
      return renderHtml(report, await readPageAssets(services.assets), await readPreviews(file));
    case 'text': {
      const { width, colour } = output;
      return renderText(report, options.output === undefined ? { width, colour } : { width: 100, colour: false });
    }
  }
}

/** How an older rendering of ours begins; anything else is not overwritten. */
const beginnings: Readonly<Record<'text' | 'html', RegExp>> = {
  text: /^Backcompat audit: /,
  html: /<meta name="generator" content="Backcompat">/,
};

async function checkTarget(file: string, format: Format): Promise<void> {
  if (format === 'json') return checkReportTarget(file);
  const handle = await open(file, 'r').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null;
    throw error;
  });
  if (handle === null) return;
  const head = Buffer.alloc(4096);
  try {
    if ((await handle.stat()).isFile()) await handle.read(head, 0, head.length, 0);
  } finally {
    await handle.close();
  }
  if (beginnings[format].test(head.toString('utf8'))) return;
  throw new BackcompatError('in-use', `${file} exists and is not a report; it stays as it is.`, {
    place: { file },
    remedy: 'Choose another file with -o.',
  });
}

import path from 'node:path';
import { type Command, Option } from 'commander';
import { readPreviews } from '../core/report/previewsFile.ts';
import { renderGithub } from '../core/report/renderGithub.ts';
import { renderHtml } from '../core/report/renderHtml.ts';
import { renderJunit } from '../core/report/renderJunit.ts';
import { renderMarkdown } from '../core/report/renderMarkdown.ts';
import { renderText } from '../core/report/renderText.ts';
import { readReport, serialiseReport } from '../core/report/reportFile.ts';
import { writeFileAtomic } from '../core/runs/atomicFile.ts';
import { findReport } from '../core/runs/listRuns.ts';
import { RunReader } from '../core/runs/runReader.ts';
import { readPageAssets } from './assets.ts';
import { placeOfGate, readConfigText } from './gatePlaces.ts';
import { createOutput, type Output } from './output.ts';
import { checkTarget, type Format, formats } from './renderings.ts';
import type { CliServices } from './services.ts';

interface ReportOptions {
  format: Format;
  full?: boolean;
  output?: string;
  debug?: boolean;
}

const help = `
RUN is a run's directory, its id or the beginning of it, a report's file, or the name of a pair, whose
latest finished run it is.

Formats:
  text     for a terminal; --full with long tables too
  json     the report itself; commit it as a baseline
  html     one page that opens offline
  md       a comment for a pull request, below 60 kB
  junit    the gates as JUnit XML, a test case a rule
  github   gates that did not pass as annotations of GitHub Actions, at their line of the config

Examples:
  backcompat report v1-v2
  backcompat report v1-v2 --format html -o report.html
  backcompat report v1-v2 --format json -o baselines/v1-v2.compat-report.json
`;

export function addReportCommand(program: Command, services: CliServices): void {
  program
    .command('report')
    .description('print or convert the report of a finished run')
    .argument('<run>', 'a run, a report, or the name of a pair')
    .addOption(new Option('--format <name>', 'text, json, html, md, junit or github').choices(formats).default('text'))
    .option('--full', 'as text: long tables too')
    .option('-o, --output <file>', 'write it there instead of stdout')
    .option('--debug', 'print stack traces')
    .addHelpText('after', help)
    .action(async (run: string, options: ReportOptions) => {
      const output = createOutput(options);
      const found = await findReport(run, process.cwd());
      const text = await render(found, options, output, services);
      if (options.output === undefined) return output.data(text);
      await writeFileAtomic(await checkTarget(options.output, options.format), text);
    });
}

async function render(file: string, options: ReportOptions, output: Output, services: CliServices): Promise<string> {
  const report = await readReport(file);
  switch (options.format) {
    case 'json':
      return serialiseReport(report);
    case 'html':
      return renderHtml(report, await readPageAssets(services.assets), await readPreviews(file));
    case 'md':
      return renderMarkdown([report]);
    case 'junit':
      return renderJunit([{ report }]);
    case 'github': {
      const request = await new RunReader(path.dirname(file)).request();
      const config = await readConfigText(request?.configFile ?? null);
      return renderGithub(report, (gate) => (config === null ? null : placeOfGate(gate, config)));
    }
    case 'text': {
      const { width, colour } = output;
      const { full = false } = options;
      return renderText(
        report,
        options.output === undefined ? { width, colour, full } : { width: 100, colour: false, full },
      );
    }
  }
}

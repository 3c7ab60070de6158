import path from 'node:path';
import * as vscode from 'vscode';
import { compareReports } from '../core/report/compareReports.ts';
import { renderComparisonMarkdown } from '../core/report/renderComparison.ts';
import { readReport } from '../core/report/reportFile.ts';
import type { PairArgument, RunArgument } from './commandArguments.ts';
import { type ExportFormat, exportFormats, exportReport } from './exportReport.ts';
import { reportEditorId } from './ids.ts';
import { pickReport, pickReports } from './pickers.ts';
import type { Services } from './services.ts';

/** Commands about reports; each takes a run, a pair (its latest), or asks. */
export function reportCommands(services: Services) {
  const { runs } = services;
  const reported = () => runs.runs.filter((run) => run.report !== null);

  /** Path of the report that a command was started on; undefined: none. */
  function givenReport(argument: PairArgument | RunArgument): string | undefined {
    if (argument === undefined) return undefined;
    if ('run' in argument) return (argument.run?.directory && runs.find(argument.run.directory)?.report) || undefined;
    if (!('pair' in argument)) return undefined;
    const [config, pair] =
      'kind' in argument
        ? [argument.config.uri, argument.pair.name]
        : [vscode.Uri.file(argument.config), argument.pair];
    return runs.runsOf(config, pair, 'audit').find(({ report }) => report !== null)?.report ?? undefined;
  }

  async function chosenReport(argument: PairArgument | RunArgument, title: string): Promise<string | undefined> {
    const given = givenReport(argument);
    if (given !== undefined) return given;
    const chosen = await pickReport(reported(), title);
    if (chosen === undefined) return undefined;
    return chosen instanceof vscode.Uri ? chosen.fsPath : (chosen.report ?? undefined);
  }

  return {
    openReport: async (argument: PairArgument | RunArgument) => {
      const file = await chosenReport(argument, vscode.l10n.t('Open which report?'));
      if (file === undefined) return;
      await vscode.commands.executeCommand('vscode.openWith', vscode.Uri.file(file), reportEditorId);
    },
    compareReports: async (argument: PairArgument | RunArgument) => {
      const first = givenReport(argument);
      const others = await pickReports(
        reported().filter(({ report }) => report !== first),
        first !== undefined,
      );
      const files = [first, ...others.map(({ report }) => report)].filter((file) => typeof file === 'string');
      if (files.length < 2) return;
      const reports = await Promise.all(files.map((file) => readReport(file)));
      const name = reports.map(({ pair }) => pair).join(' · ');
      await services.texts.showMarkdown(
        `${vscode.l10n.t('Comparison')} ${name}.md`,
        renderComparisonMarkdown(compareReports(reports)),
      );
    },
    exportReport: async (argument: PairArgument | RunArgument) => {
      const file = await chosenReport(argument, vscode.l10n.t('Export which report?'));
      if (file === undefined) return;
      const choices = Object.entries(exportFormats).map(([format, { label, detail }]) => ({
        label,
        description: detail,
        format: format as ExportFormat,
      }));
      const title = vscode.l10n.t('Export {0} as', path.basename(path.dirname(file)));
      const chosen = await vscode.window.showQuickPick(choices, { title });
      if (chosen) await exportReport(services.context.extensionUri, file, chosen.format);
    },
  };
}

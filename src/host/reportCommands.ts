import path from 'node:path';
import * as vscode from 'vscode';
import { comparedReports } from '../core/pipeline/training/comparedReports.ts';
import { MAX_COMPARED_REPORTS } from '../core/report/compareReports.ts';
import type { PairArgument, ReportArgument, RunArgument } from './commandArguments.ts';
import type { ComparePanels } from './comparePanel.ts';
import { type ExportFormat, exportFormats, exportReport } from './exportReport.ts';
import { reportEditorId } from './ids.ts';
import { pickReport, pickReports } from './pickers.ts';
import type { Services } from './services.ts';

type Argument = PairArgument | RunArgument | ReportArgument;

/** Commands about reports; each takes a report, a run, a pair (its latest), or asks. */
export function reportCommands(services: Services, comparePanels: ComparePanels) {
  const { runs } = services;
  const reported = () => runs.runs.filter((run) => run.report !== null);

  /** Path of the report that a command was started on; undefined: none. */
  function givenReport(argument: Argument): string | undefined {
    if (argument === undefined) return undefined;
    if ('report' in argument) return argument.report;
    if ('run' in argument) return (argument.run?.directory && runs.find(argument.run.directory)?.report) || undefined;
    if (!('pair' in argument)) return undefined;
    const [config, pair] =
      'kind' in argument
        ? [argument.config.uri, argument.pair.name]
        : [vscode.Uri.file(argument.config), argument.pair];
    return runs.runsOf(config, pair, 'audit').find(({ report }) => report !== null)?.report ?? undefined;
  }

  async function chosenReport(argument: Argument, title: string): Promise<string | undefined> {
    const given = givenReport(argument);
    if (given !== undefined) return given;
    const chosen = await pickReport(reported(), title);
    if (chosen === undefined) return undefined;
    return chosen instanceof vscode.Uri ? chosen.fsPath : (chosen.report ?? undefined);
  }

  return {
    openReport: async (argument: Argument) => {
      const file = await chosenReport(argument, vscode.l10n.t('Open which report?'));
      if (file === undefined) return;
      await vscode.commands.executeCommand('vscode.openWith', vscode.Uri.file(file), reportEditorId);
    },
    compareReports: async (argument: Argument) => {
      const first = givenReport(argument);
      // A sweep is compared in itself.
      const given = first === undefined ? [] : await comparedReports(first);
      if (given.length > 1) return comparePanels.open(given);
      const candidates = reported().filter(({ report }) => report !== first);
      const others = await pickReports(candidates, first !== undefined);
      const chosen = await Promise.all(others.map(({ report }) => comparedReports(report as string)));
      const compared = [...given, ...chosen.flat()];
      if (compared.length < 2) return;
      if (compared.length > MAX_COMPARED_REPORTS) {
        const most = vscode.l10n.t('At most {0} reports are compared at once.', MAX_COMPARED_REPORTS);
        void vscode.window.showInformationMessage(most);
        return;
      }
      await comparePanels.open(compared);
    },
    exportReport: async (argument: Argument) => {
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

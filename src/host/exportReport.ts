import { readFile } from 'node:fs/promises';
import path from 'node:path';
import * as vscode from 'vscode';
import type { Report } from '../core/contract/report.ts';
import { readPreviews } from '../core/report/previewsFile.ts';
import { renderHtml } from '../core/report/renderHtml.ts';
import { renderJunit } from '../core/report/renderJunit.ts';
import { renderMarkdown } from '../core/report/renderMarkdown.ts';
import { readReport, serialiseReport } from '../core/report/reportFile.ts';

/** What a report can be written as, as `backcompat report --format` does it. */
export const exportFormats = {
  html: { label: 'HTML', extension: 'html', detail: 'one page that opens offline' },
  md: { label: 'Markdown', extension: 'md', detail: 'a comment for a pull request' },
  junit: { label: 'JUnit', extension: 'xml', detail: 'the gates, a test case a rule' },
  json: { label: 'JSON', extension: 'compat-report.json', detail: 'the report itself; commit it as a baseline' },
} as const;

export type ExportFormat = keyof typeof exportFormats;

/** Writes a report as one self-contained file where the user says. */
export async function exportReport(extensionUri: vscode.Uri, reportFile: string, format: ExportFormat): Promise<void> {
  const report = await readReport(reportFile);
  const { label, extension } = exportFormats[format];
  const folder = vscode.workspace.workspaceFolders?.[0]?.uri.fsPath ?? path.dirname(reportFile);
  const name = `${report.pair.replace(/[^\w.-]+/g, '-') || 'report'}.${extension}`;
  const target = await vscode.window.showSaveDialog({
    defaultUri: vscode.Uri.file(path.join(folder, name)),
    filters: { [label]: [extension.split('.').at(-1) as string] },
  });
  if (target === undefined) return;
  const text = await render(extensionUri, report, reportFile, format);
  await vscode.workspace.fs.writeFile(target, Buffer.from(text, 'utf8'));
  const open = vscode.l10n.t('Open');
  const answer = await vscode.window.showInformationMessage(vscode.l10n.t('Saved {0}', target.fsPath), open);
  if (answer !== open) return;
  if (format === 'html') await vscode.env.openExternal(target);
  else await vscode.commands.executeCommand('vscode.open', target);
}

async function render(extensionUri: vscode.Uri, report: Report, file: string, format: ExportFormat): Promise<string> {
  switch (format) {
    case 'json':
      return serialiseReport(report);
    case 'md':
      return renderMarkdown([report]);
    case 'junit':
      return renderJunit([{ report }]);
    case 'html': {
      const asset = (name: string) => readFile(vscode.Uri.joinPath(extensionUri, 'dist/webview', name).fsPath, 'utf8');
      const assets = { script: await asset('report.js'), style: await asset('report.css') };
      return renderHtml(report, assets, await readPreviews(file));
    }
  }
}

import { readFile } from 'node:fs/promises';
import path from 'node:path';
import * as vscode from 'vscode';
import { readPreviews } from '../core/report/previewsFile.ts';
import { renderHtml } from '../core/report/renderHtml.ts';
import { readReport } from '../core/report/reportFile.ts';

/** Writes a report as one self-contained HTML file where the user says. */
export async function exportHtml(extensionUri: vscode.Uri, reportFile: string): Promise<void> {
  const report = await readReport(reportFile);
  const folder = vscode.workspace.workspaceFolders?.[0]?.uri.fsPath ?? path.dirname(reportFile);
  const name = `${report.pair.replace(/[^\w.-]+/g, '-') || 'report'}.html`;
  const target = await vscode.window.showSaveDialog({
    defaultUri: vscode.Uri.file(path.join(folder, name)),
    filters: { HTML: ['html'] },
  });
  if (target === undefined) return;
  const asset = (file: string) => readFile(vscode.Uri.joinPath(extensionUri, 'dist/webview', file).fsPath, 'utf8');
  const assets = { script: await asset('report.js'), style: await asset('report.css') };
  const html = renderHtml(report, assets, await readPreviews(reportFile));
  await vscode.workspace.fs.writeFile(target, Buffer.from(html, 'utf8'));
  const open = vscode.l10n.t('Open');
  const answer = await vscode.window.showInformationMessage(vscode.l10n.t('Saved {0}', target.fsPath), open);
  if (answer === open) await vscode.env.openExternal(target);
}

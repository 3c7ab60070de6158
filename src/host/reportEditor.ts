import path from 'node:path';
import * as vscode from 'vscode';
import { asBackcompatError } from '../core/contract/errors.ts';
import type { Report } from '../core/contract/report.ts';
import { readPreviews } from '../core/report/previewsFile.ts';
import { parseReport, readReport } from '../core/report/reportFile.ts';
import type { PageState } from '../protocol/messages.ts';
import { reportEditorId } from './ids.ts';
import { actionsFor, type PageSubject } from './pageIntents.ts';
import { readRequest } from './reportFile.ts';
import { ReportPage } from './reportPage.ts';
import type { Services } from './services.ts';

/** Read-only editor of `*.compat-report.json`; *Reopen Editor With… Text Editor* shows the file itself. */
export class ReportEditor implements vscode.CustomReadonlyEditorProvider {
  readonly #services: Services;

  private constructor(services: Services) {
    this.#services = services;
  }

  static register(services: Services): vscode.Disposable {
    return vscode.window.registerCustomEditorProvider(reportEditorId, new ReportEditor(services), {
      supportsMultipleEditorsPerDocument: true,
    });
  }

  openCustomDocument(uri: vscode.Uri): vscode.CustomDocument {
    return { uri, dispose: () => {} };
  }

  async resolveCustomEditor(document: vscode.CustomDocument, panel: vscode.WebviewPanel): Promise<void> {
    const { uri } = document;
    const folder = path.dirname(uri.fsPath);
    const isRun = uri.scheme === 'file' && (await readRequest(folder)) !== null;
    const subject: PageSubject = {
      directory: isRun ? folder : null,
      report: uri.scheme === 'file' ? uri.fsPath : null,
    };
    const page = new ReportPage(panel.webview, this.#services, {
      title: path.basename(uri.path),
      subject: () => subject,
    });
    const show = async () => page.show(await stateOf(this.#services, uri, subject));
    const watcher = vscode.workspace.createFileSystemWatcher(
      new vscode.RelativePattern(vscode.Uri.joinPath(uri, '..'), path.posix.basename(uri.path)),
    );
    watcher.onDidChange(() => void show());
    watcher.onDidCreate(() => void show());
    panel.onDidDispose(() => vscode.Disposable.from(watcher, page).dispose());
    await show();
  }
}

async function stateOf(services: Services, uri: vscode.Uri, subject: PageSubject): Promise<PageState> {
  try {
    const onDisk = uri.scheme === 'file';
    const report = onDisk ? await readReport(uri.fsPath) : await readElsewhere(uri);
    subject.pair = report.pair;
    const previews = onDisk ? await readPreviews(uri.fsPath) : {};
    return { kind: 'report', report, previews, actions: await actionsFor(services, subject) };
  } catch (error) {
    const { message, remedy } = asBackcompatError(error);
    const title = vscode.l10n.t('This report cannot be opened');
    return {
      kind: 'failed',
      failure: { title, message, remedy, again: null, openRunFolder: subject.directory !== null, openConfig: false },
    };
  }
}

/** A report that is not on disk, for example the older side of a comparison. */
async function readElsewhere(uri: vscode.Uri): Promise<Report> {
  return parseReport(Buffer.from(await vscode.workspace.fs.readFile(uri)).toString('utf8'), uri.fsPath);
}

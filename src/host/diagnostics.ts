import { stat } from 'node:fs/promises';
import path from 'node:path';
import * as vscode from 'vscode';
import type { ConfigProblem } from '../core/config/checkConfig.ts';
import { isConfigName } from '../core/config/configName.ts';
import type { JsonPath } from '../core/config/finding.ts';
import { changeBetween, editConfig, pathInConfig } from './configEdits.ts';
import { namedFiles } from './configFiles.ts';
import { rangeOf } from './configParts.ts';
import { configGlobs, internalCommandIds } from './ids.ts';

/** Long enough not to check at every key, short enough to feel immediate. */
const DELAY_MS = 250;
const SOURCE = 'backcompat';

/** Documents that are configs. */
export const configSelector = configGlobs.map((glob) => ({ pattern: `**/${glob}` }));

export function isConfig(document: vscode.TextDocument): boolean {
  return isConfigName(document.uri.path.split('/').at(-1) ?? '');
}

/** Problems of open configs, as the command line would name them, and files that are missing. */
export class ConfigDiagnostics implements vscode.Disposable {
  readonly #collection = vscode.languages.createDiagnosticCollection(SOURCE);
  readonly #timers = new Map<string, NodeJS.Timeout>();
  readonly #subscriptions: vscode.Disposable[];

  constructor() {
    // A missing file may come, and one that is there may go.
    const watcher = vscode.workspace.createFileSystemWatcher('**/*', false, true, false);
    const recheck = (uri: vscode.Uri) => {
      if (!/\/(\.backcompat|\.git|node_modules)\//.test(uri.path))
        for (const open of this.#open()) this.#checkSoon(open);
    };
    this.#subscriptions = [
      this.#collection,
      watcher,
      watcher.onDidCreate(recheck),
      watcher.onDidDelete(recheck),
      vscode.workspace.onDidOpenTextDocument((document) => void this.check(document)),
      vscode.workspace.onDidChangeTextDocument(({ document }) => this.#checkSoon(document)),
      vscode.workspace.onDidCloseTextDocument((document) => this.#forget(document)),
      vscode.languages.registerCodeActionsProvider(
        configSelector,
        { provideCodeActions: (document, _range, { diagnostics }) => quickFixes(document, diagnostics) },
        { providedCodeActionKinds: [vscode.CodeActionKind.QuickFix] },
      ),
      vscode.commands.registerCommand(internalCommandIds.chooseMissingFile, chooseMissingFile),
    ];
    for (const document of this.#open()) void this.check(document);
  }

  #open(): vscode.TextDocument[] {
    return vscode.workspace.textDocuments.filter(isConfig);
  }

  /** Checks a config now; other documents are left alone. @returns how many problems it has */
  async check(document: vscode.TextDocument): Promise<number> {
    if (!isConfig(document)) return 0;
    const { version } = document;
    const text = document.getText();
    // The schema is the largest part of the bundle, and most windows show no config.
    const { checkConfig } = await import('../core/config/checkConfig.ts');
    const problems = checkConfig(text).problems.map((problem) => diagnosticOf(document, problem));
    problems.push(...(await missingFiles(document, text)));
    // A later check has the last word.
    if (document.version === version && !document.isClosed) this.#collection.set(document.uri, problems);
    return problems.length;
  }

  #checkSoon(document: vscode.TextDocument): void {
    if (!isConfig(document)) return;
    const key = document.uri.toString();
    clearTimeout(this.#timers.get(key));
    this.#timers.set(
      key,
      setTimeout(() => {
        this.#timers.delete(key);
        if (!document.isClosed) void this.check(document);
      }, DELAY_MS),
    );
  }

  #forget(document: vscode.TextDocument): void {
    const key = document.uri.toString();
    clearTimeout(this.#timers.get(key));
    this.#timers.delete(key);
    this.#collection.delete(document.uri);
  }

  dispose(): void {
    for (const timer of this.#timers.values()) clearTimeout(timer);
    vscode.Disposable.from(...this.#subscriptions).dispose();
  }
}

/** What mends a problem. */
type Fix =
  | { kind: 'replace'; text: string }
  | { kind: 'remove'; path: JsonPath }
  | { kind: 'chooseFile'; isFolder: boolean };

class ConfigDiagnostic extends vscode.Diagnostic {
  fixes: readonly Fix[] = [];
}

function diagnosticOf(document: vscode.TextDocument, problem: ConfigProblem): ConfigDiagnostic {
  const text = problem.remedy === null ? problem.message : `${problem.message} ${problem.remedy}`;
  const diagnostic = new ConfigDiagnostic(
    rangeOf(document, { ...problem, length: Math.max(1, problem.length) }),
    text,
    vscode.DiagnosticSeverity.Error,
  );
  diagnostic.source = SOURCE;
  diagnostic.code = 'bad-config';
  diagnostic.fixes = [
    ...(problem.replacement === null ? [] : [{ kind: 'replace', text: problem.replacement } as const]),
    ...(problem.removable ? [{ kind: 'remove', path: problem.path } as const] : []),
  ];
  return diagnostic;
}

/** Warnings, not errors: an export may bring the file later, and the command line says it when it is needed. */
async function missingFiles(document: vscode.TextDocument, text: string): Promise<ConfigDiagnostic[]> {
  if (document.uri.scheme !== 'file') return [];
  const folder = path.dirname(document.uri.fsPath);
  const checked = await Promise.all(
    namedFiles(text).map(async (named) => {
      const isThere = await stat(path.resolve(folder, named.file)).then(
        () => true,
        (error: NodeJS.ErrnoException) => error.code !== 'ENOENT' && error.code !== 'ENOTDIR',
      );
      if (isThere) return [];
      const message = vscode.l10n.t('{0} does not exist.', named.file);
      const diagnostic = new ConfigDiagnostic(rangeOf(document, named), message, vscode.DiagnosticSeverity.Warning);
      diagnostic.source = SOURCE;
      diagnostic.code = 'missing-file';
      const isFolder = named.path.at(-1) === 'images' && named.path.at(-2) !== 'idx';
      diagnostic.fixes = [{ kind: 'chooseFile', isFolder }];
      return [diagnostic];
    }),
  );
  return checked.flat();
}

function quickFixes(document: vscode.TextDocument, diagnostics: readonly vscode.Diagnostic[]): vscode.CodeAction[] {
  return diagnostics.flatMap((diagnostic) => {
    if (!(diagnostic instanceof ConfigDiagnostic)) return [];
    return diagnostic.fixes.map((fix) => {
      const action = actionOf(document, diagnostic, fix);
      action.diagnostics = [diagnostic];
      action.isPreferred = fix.kind === 'replace';
      return action;
    });
  });
}

function actionOf(document: vscode.TextDocument, { range }: ConfigDiagnostic, fix: Fix): vscode.CodeAction {
  const action = (title: string) => new vscode.CodeAction(title, vscode.CodeActionKind.QuickFix);
  switch (fix.kind) {
    case 'replace': {
      const made = action(vscode.l10n.t('Replace by {0}', fix.text));
      made.edit = new vscode.WorkspaceEdit();
      made.edit.replace(document.uri, range, fix.text);
      return made;
    }
    case 'remove': {
      const made = action(vscode.l10n.t('Remove "{0}"', String(fix.path.at(-1))));
      const text = document.getText();
      const change = changeBetween(text, editConfig(text, [{ path: [...fix.path], value: undefined }]));
      made.edit = new vscode.WorkspaceEdit();
      made.edit.replace(document.uri, rangeOf(document, change), change.text);
      return made;
    }
    case 'chooseFile': {
      const title = fix.isFolder ? vscode.l10n.t('Choose the folder…') : vscode.l10n.t('Choose the file…');
      const made = action(title);
      made.command = {
        title,
        command: internalCommandIds.chooseMissingFile,
        arguments: [document.uri, range, fix.isFolder],
      };
      return made;
    }
  }
}

async function chooseMissingFile(config: vscode.Uri, range: vscode.Range, isFolder: boolean): Promise<void> {
  const chosen = await vscode.window.showOpenDialog({
    defaultUri: vscode.Uri.joinPath(config, '..'),
    canSelectFiles: !isFolder,
    canSelectFolders: isFolder,
  });
  const file = chosen?.[0]?.fsPath;
  if (file === undefined) return;
  const edit = new vscode.WorkspaceEdit();
  const text = pathInConfig(path.dirname(config.fsPath), file, path.relative);
  edit.replace(config, range, JSON.stringify(text));
  await vscode.workspace.applyEdit(edit);
}

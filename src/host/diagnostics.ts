import * as vscode from 'vscode';
import { type CheckedConfig, checkConfig } from '../core/config/checkConfig.ts';
import { isConfigName } from '../core/config/loadConfig.ts';

/** Long enough not to check at every key, short enough to feel immediate. */
const DELAY_MS = 250;
const SOURCE = 'backcompat';

export function isConfig(document: vscode.TextDocument): boolean {
  return isConfigName(document.uri.path.split('/').at(-1) ?? '');
}

/** Problems of open configs, as the command line would name them. */
export class ConfigDiagnostics implements vscode.Disposable {
  readonly #collection = vscode.languages.createDiagnosticCollection(SOURCE);
  readonly #timers = new Map<string, NodeJS.Timeout>();
  readonly #subscriptions: vscode.Disposable[];

  constructor() {
    this.#subscriptions = [
      this.#collection,
      vscode.workspace.onDidOpenTextDocument((document) => this.check(document)),
      vscode.workspace.onDidChangeTextDocument(({ document }) => this.#checkSoon(document)),
      vscode.workspace.onDidCloseTextDocument((document) => this.#forget(document)),
      vscode.languages.registerCodeActionsProvider(
        [{ pattern: '**/backcompat.json' }, { pattern: '**/*.compat.json' }],
        { provideCodeActions: (document, _range, { diagnostics }) => quickFixes(document, diagnostics) },
        { providedCodeActionKinds: [vscode.CodeActionKind.QuickFix] },
      ),
    ];
    for (const document of vscode.workspace.textDocuments) this.check(document);
  }

  /** Checks a config now; other documents are left alone. @returns how many problems it has */
  check(document: vscode.TextDocument): number {
    if (!isConfig(document)) return 0;
    const { problems } = checkConfig(document.getText());
    this.#collection.set(
      document.uri,
      problems.map((problem) => diagnosticOf(document, problem)),
    );
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
        if (!document.isClosed) this.check(document);
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

type ConfigProblem = CheckedConfig['problems'][number];

/** Keeps what mends it. */
class ConfigDiagnostic extends vscode.Diagnostic {
  replacement: string | null = null;
}

function diagnosticOf(document: vscode.TextDocument, problem: ConfigProblem): ConfigDiagnostic {
  const start = document.positionAt(problem.offset);
  const end = document.positionAt(problem.offset + Math.max(1, problem.length));
  const text = problem.remedy === null ? problem.message : `${problem.message} ${problem.remedy}`;
  const diagnostic = new ConfigDiagnostic(new vscode.Range(start, end), text, vscode.DiagnosticSeverity.Error);
  diagnostic.source = SOURCE;
  diagnostic.code = 'bad-config';
  diagnostic.replacement = problem.replacement;
  return diagnostic;
}

function quickFixes(document: vscode.TextDocument, diagnostics: readonly vscode.Diagnostic[]): vscode.CodeAction[] {
  return diagnostics.flatMap((diagnostic) => {
    if (!(diagnostic instanceof ConfigDiagnostic) || diagnostic.replacement === null) return [];
    const title = vscode.l10n.t('Replace by {0}', diagnostic.replacement);
    const action = new vscode.CodeAction(title, vscode.CodeActionKind.QuickFix);
    action.edit = new vscode.WorkspaceEdit();
    action.edit.replace(document.uri, diagnostic.range, diagnostic.replacement);
    action.diagnostics = [diagnostic];
    action.isPreferred = true;
    return [action];
  });
}

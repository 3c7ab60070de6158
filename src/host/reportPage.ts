import { randomBytes } from 'node:crypto';
import * as vscode from 'vscode';
import {
  type HostMessage,
  type PageFailure,
  type PageHandlers,
  type PageState,
  parsePageMessage,
} from '../protocol/messages.ts';
import { pageHtml } from './pageHtml.ts';
import { intentHandlers, type PageSubject } from './pageIntents.ts';
import { PageQuestions } from './pageQuestions.ts';
import type { Services } from './services.ts';

/** The report's page in a webview: keeps the state it shows, sends it whole, and passes on what the page intends. */
export class ReportPage implements vscode.Disposable {
  #state: PageState = { kind: 'loading', phase: null };
  readonly #webview: vscode.Webview;
  readonly #restore: Record<string, string> | undefined;
  readonly #questions: PageQuestions;
  readonly #subscription: vscode.Disposable;
  #disposed = false;

  constructor(
    webview: vscode.Webview,
    services: Services,
    options: {
      title: string;
      /** Asked when it is needed: a run's report comes later. */
      subject: () => PageSubject;
      /** What a serializer needs to bring the panel back. */
      restore?: Record<string, string>;
    },
  ) {
    this.#webview = webview;
    this.#restore = options.restore;
    const questions = new PageQuestions(services, options.subject, (message) => this.#post(message));
    this.#questions = questions;
    const handlers: PageHandlers = {
      ...intentHandlers(services, options.subject),
      ...questions.handlers,
      ready: () => this.#send(),
    };
    // A page that was hidden and is shown again says `ready` again: nothing is kept for it meanwhile.
    this.#subscription = webview.onDidReceiveMessage((message) => {
      dispatch(handlers, message).catch((error) => services.log.error(String(error)));
    });
    const folder = vscode.Uri.joinPath(services.context.extensionUri, 'dist/webview');
    webview.options = { enableScripts: true, localResourceRoots: [folder] };
    webview.html = pageHtml({
      script: webview.asWebviewUri(vscode.Uri.joinPath(folder, 'report.js')).toString(),
      style: webview.asWebviewUri(vscode.Uri.joinPath(folder, 'report.css')).toString(),
      source: webview.cspSource,
      nonce: randomBytes(16).toString('base64url'),
      title: options.title,
    });
  }

  show(state: PageState): void {
    this.#state = state;
    this.#send();
  }

  #send(): void {
    this.#post({ type: 'snapshot', state: this.#state, restore: this.#restore });
  }

  #post(message: HostMessage): void {
    if (this.#disposed) return;
    // False when the page is not there yet: it asks with `ready`.
    void this.#webview.postMessage(message);
  }

  dispose(): void {
    this.#disposed = true;
    this.#questions.dispose();
    this.#subscription.dispose();
  }
}

/**
 * For a panel that comes back without knowing what it showed. Such a panel must not be disposed of while it is restored: the
 * workbench is just opening it, and would stumble over one that is gone.
 */
export function showLost(panel: vscode.WebviewPanel, services: Services, failure: PageFailure): void {
  const subject = { directory: null, report: null };
  const page = new ReportPage(panel.webview, services, { title: panel.title, subject: () => subject });
  panel.onDidDispose(() => page.dispose());
  page.show({ kind: 'failed', failure });
}

async function dispatch(handlers: PageHandlers, value: unknown): Promise<void> {
  const message = parsePageMessage(value);
  if (message === null) return;
  // The types of message and handler belong together by construction of PageHandlers.
  const handle = handlers[message.type] as (message: unknown) => void | Promise<void>;
  await handle(message);
}

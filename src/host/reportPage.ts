import { randomBytes } from 'node:crypto';
import * as vscode from 'vscode';
import { type HostMessage, type PageHandlers, type PageState, parsePageMessage } from '../protocol/messages.ts';
import { pageHtml } from './pageHtml.ts';

/** The report's page in a webview: keeps the state it shows, sends it whole, and passes on what the page intends. */
export class ReportPage implements vscode.Disposable {
  #state: PageState = { kind: 'loading', phase: null };
  readonly #webview: vscode.Webview;
  readonly #restore: Record<string, string> | undefined;
  readonly #subscription: vscode.Disposable;

  constructor(
    webview: vscode.Webview,
    options: {
      extensionUri: vscode.Uri;
      title: string;
      handlers: Omit<PageHandlers, 'ready'>;
      log: vscode.LogOutputChannel;
      /** What a serializer needs to bring the panel back. */
      restore?: Record<string, string>;
    },
  ) {
    this.#webview = webview;
    this.#restore = options.restore;
    const handlers: PageHandlers = { ...options.handlers, ready: () => this.#send() };
    // A page that was hidden and is shown again says `ready` again: nothing is kept for it meanwhile.
    this.#subscription = webview.onDidReceiveMessage((message) => {
      dispatch(handlers, message).catch((error) => options.log.error(String(error)));
    });
    const folder = vscode.Uri.joinPath(options.extensionUri, 'dist/webview');
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
    const message: HostMessage = { type: 'snapshot', state: this.#state, restore: this.#restore };
    // False when the page is not there yet: it asks with `ready`.
    void this.#webview.postMessage(message);
  }

  dispose(): void {
    this.#subscription.dispose();
  }
}

async function dispatch(handlers: PageHandlers, value: unknown): Promise<void> {
  const message = parsePageMessage(value);
  if (message === null) return;
  // The types of message and handler belong together by construction of PageHandlers.
  const handle = handlers[message.type] as (message: unknown) => void | Promise<void>;
  await handle(message);
}

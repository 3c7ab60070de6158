/** The page's way out: the workbench's host where there is one, the browser's own means in a file opened from disk. */
import type { PageMessage } from '../../src/protocol/messages.ts';
import { h } from '../components/dom.ts';
import type { PageTools } from '../components/figure.ts';
import { BrowseChannel } from './browseChannel.ts';

interface VsCodeApi {
  postMessage(message: PageMessage): void;
  getState(): unknown;
  setState(state: unknown): void;
}

declare global {
  var acquireVsCodeApi: (() => VsCodeApi) | undefined;
}

export interface Bridge extends PageTools {
  /** Whether a host listens. */
  hosted: boolean;
  send(message: PageMessage): void;
  /** The tab the user chose last; null at first. */
  chosenTab(): string | null;
  rememberTab(tab: string): void;
  /** Keeps what the host's serializer wants to find again. */
  remember(entries: Record<string, string>): void;
  /** What was remembered under a name; null: nothing. */
  recall(name: string): string | null;
  /** Questions about single queries; null without a host. */
  channel: BrowseChannel | null;
}

function announcer(): (text: string) => void {
  const region = h('div', { class: 'heard-only', role: 'status', 'aria-live': 'polite' });
  document.body.append(region);
  return (text) => {
    region.textContent = text;
  };
}

function hostedBridge(api: VsCodeApi): Bridge {
  const announce = announcer();
  const kept = (): Record<string, unknown> => {
    const state = api.getState();
    return typeof state === 'object' && state !== null ? { ...state } : {};
  };
  const remember = (entries: Record<string, string>) => api.setState({ ...kept(), ...entries });
  const recall = (name: string) => {
    const value = kept()[name];
    return typeof value === 'string' ? value : null;
  };
  return {
    hosted: true,
    channel: new BrowseChannel((message) => api.postMessage(message)),
    send: (message) => api.postMessage(message),
    chosenTab: () => recall('tab'),
    recall,
    rememberTab: (tab) => remember({ tab }),
    remember,
    announce,
    copyText: (text) => {
      api.postMessage({ type: 'copyText', text });
      announce('Copied');
    },
    saveText: (name, text) => api.postMessage({ type: 'saveFile', name, text }),
    savePng: (name, dataUrl) =>
      api.postMessage({ type: 'saveFile', name, dataBase64: dataUrl.slice(dataUrl.indexOf(',') + 1) }),
  };
}

function download(name: string, url: string): void {
  const link = h('a', { href: url, download: name, hidden: true });
  document.body.append(link);
  link.click();
  link.remove();
}

async function copyInBrowser(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    // No permission, or an insecure page: the selection's own copy still works there.
    const area = h('textarea', { class: 'heard-only', 'aria-hidden': 'true' });
    area.value = text;
    document.body.append(area);
    area.select();
    const copied = document.execCommand('copy');
    area.remove();
    return copied;
  }
}

function standAloneBridge(): Bridge {
  const announce = announcer();
  return {
    hosted: false,
    channel: null,
    recall: () => null,
    send: () => {},
    chosenTab: () => location.hash.slice(1) || null,
    // Without a new entry in the history: Back leaves the report.
    rememberTab: (tab) => history.replaceState(null, '', `#${tab}`),
    remember: () => {},
    announce,
    copyText: (text) => {
      void copyInBrowser(text).then((copied) => announce(copied ? 'Copied' : 'The browser does not allow copying'));
    },
    saveText: (name, text) => {
      const url = URL.createObjectURL(new Blob([text], { type: 'text/csv;charset=utf-8' }));
      download(name, url);
      setTimeout(() => URL.revokeObjectURL(url), 10_000);
    },
    savePng: download,
  };
}

export function makeBridge(): Bridge {
  return typeof acquireVsCodeApi === 'function' ? hostedBridge(acquireVsCodeApi()) : standAloneBridge();
}

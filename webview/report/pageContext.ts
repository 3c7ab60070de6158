import type { ItemPreviews, Report } from '../../src/core/contract/report.ts';
import type { PageMessage, ReportActions } from '../../src/protocol/messages.ts';
import type { PageTools } from '../components/figure.ts';
import type { BrowseChannel } from './browseChannel.ts';

/** Looking at single queries, from anywhere in the report. */
export interface Browsing {
  channel: BrowseChannel;
  /** Shows a query in the retrieval browser, which lies in another tab. */
  show: (query: string) => void;
  /** Set by the browser while it is drawn. */
  open: ((query: string) => void) | null;
  /** The query that was looked at last, also before the page was hidden. */
  recall: () => string | null;
  remember: (query: string) => void;
}

/** What every tab is made from. */
export interface PageContext {
  report: Report;
  /** Pictures and texts of some of its items, by id. */
  previews: ItemPreviews;
  tools: PageTools;
  /** null: no host, the page is a file of its own. */
  actions: ReportActions | null;
  /** null: no host to ask. */
  browse: Browsing | null;
  send: (message: PageMessage) => void;
  /** Shows another tab. */
  choose: (tab: string) => void;
}

import type { ItemPreviews, Report } from '../../src/core/contract/report.ts';
import type { PageMessage, ReportActions } from '../../src/protocol/messages.ts';
import type { PageTools } from '../components/figure.ts';

/** What every tab is made from. */
export interface PageContext {
  report: Report;
  /** Pictures and texts of some of its items, by id. */
  previews: ItemPreviews;
  tools: PageTools;
  /** null: no host, the page is a file of its own. */
  actions: ReportActions | null;
  send: (message: PageMessage) => void;
  /** Shows another tab. */
  choose: (tab: string) => void;
}

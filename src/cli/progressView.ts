import { counted, visibleText } from '../core/contract/format.ts';
import type { RunEvent, RunSummary } from '../core/contract/runs.ts';
import { clip } from '../core/report/terminal.ts';
import { createTrainingWords, epochLine } from './trainingWords.ts';

/** Shows a run's progress on stderr: one line that is rewritten on a terminal, plain lines elsewhere. */
export interface ProgressView {
  event(event: RunEvent): void;
  summary(summary: RunSummary): void;
  /** Clears the line, before other text or at the end. */
  clear(): void;
}

const BAR_CELLS = 24;
/** Between plain lines of one phase: a log is read later, not watched. */
const PLAIN_INTERVAL_MS = 10_000;

export function createProgressView(stream: NodeJS.WriteStream, quiet: boolean): ProgressView {
  if (quiet) return { event: () => undefined, summary: () => undefined, clear: () => undefined };
  return stream.isTTY && process.env.TERM !== 'dumb' ? lineView(stream) : plainView(stream);
}

function phaseText({ phase, phaseIndex, phaseTotal }: Pick<RunSummary, 'phase' | 'phaseIndex' | 'phaseTotal'>): string {
  const position = phaseIndex === null || phaseTotal === null ? '' : `[${phaseIndex + 1}/${phaseTotal}] `;
  return `${position}${visibleText(phase ?? 'starting')}`;
}

function shareOf({ progress }: RunSummary): number | null {
  if (progress === null || progress.total <= 0) return null;
  return Math.min(1, Math.max(0, progress.done / progress.total));
}

function lineView(stream: NodeJS.WriteStream): ProgressView {
  let drawn = false;
  const training = createTrainingWords();
  const clear = () => {
    if (drawn) stream.write('\r\u001b[K');
    drawn = false;
  };
  return {
    event(event) {
      training.event(event);
      if (event.type !== 'log' || event.level === 'info') return;
      clear();
      stream.write(`${event.level}: ${visibleText(event.message)}\n`);
    },
    summary(summary) {
      if (summary.state !== 'running') return clear();
      const share = shareOf(summary);
      let line = phaseText(summary);
      if (share !== null && summary.progress) {
        const full = Math.round(share * BAR_CELLS);
        const bar = '█'.repeat(full) + '░'.repeat(BAR_CELLS - full);
        line = `${bar} ${String(Math.floor(share * 100)).padStart(3)} %  ${line}  ${training.now(summary)}`;
      }
      // One column stays free: a full line would break on some terminals.
      stream.write(`\r\u001b[K${clip(line, Math.max(20, stream.columns - 1))}`);
      drawn = true;
    },
    clear,
  };
}

function plainView(stream: NodeJS.WriteStream): ProgressView {
  let last = Date.now();
  const training = createTrainingWords();
  return {
    event(event) {
      training.event(event);
      if (event.type === 'epoch') {
        const line = epochLine(event.figures);
        if (line === null) return;
        last = Date.now();
        stream.write(`  ${line}\n`);
      } else if (event.type === 'phase') {
        last = Date.now();
        const { phase, index = null, total = null } = event;
        stream.write(`${phaseText({ phase, phaseIndex: index, phaseTotal: total })}\n`);
      } else if (event.type === 'log' && event.level !== 'info') {
        stream.write(`${event.level}: ${visibleText(event.message)}\n`);
      }
    },
    summary(summary) {
      const share = shareOf(summary);
      if (share === null || summary.progress === null || Date.now() - last < PLAIN_INTERVAL_MS) return;
      last = Date.now();
      const { total, unit } = summary.progress;
      const whole = counted(total, visibleText(unit), visibleText(unit));
      const now = training.now(summary);
      stream.write(`  ${Math.floor(share * 100)} % of ${whole}${now === '' ? '' : `: ${now}`}\n`);
    },
    clear: () => undefined,
  };
}

import type { Progress } from '../core/contract/runs.ts';
import type { Output } from './output.ts';
import { createProgressView } from './progressView.ts';
import { terminalProgress } from './terminalProgress.ts';

/** Work that this process does itself: its progress on the terminal, gone at the end; SIGINT and SIGTERM abort it. */
export async function underSignals<T>(
  output: Output,
  work: (given: { progress: Progress; signal: AbortSignal }) => Promise<T>,
): Promise<T> {
  const view = createProgressView(process.stderr, output.quiet);
  const controller = new AbortController();
  const cancel = () => controller.abort();
  process.on('SIGINT', cancel);
  process.on('SIGTERM', cancel);
  try {
    return await work({ progress: terminalProgress(view), signal: controller.signal });
  } finally {
    view.clear();
    process.off('SIGINT', cancel);
    process.off('SIGTERM', cancel);
  }
}

/** The command line with an audit that only pretends, in the way that BACKCOMPAT_FAKE says. */
import { runCli } from '../../src/cli/runCli.ts';
import { BackcompatError, throwIfCancelled } from '../../src/core/contract/errors.ts';
import { sampleReport } from '../fixtures/report/sampleReport.ts';

process.exitCode = await runCli(process.argv.slice(2), {
  assets: new URL('./', import.meta.url),
  stalenessOf: async () => JSON.parse(process.env.BACKCOMPAT_STALE ?? '[]'),
  async trainBlock() {
    throw new BackcompatError('internal', 'not pretended');
  },
  async auditPair({ source, overrides }, { progress, signal, previews }) {
    const mode = process.env.BACKCOMPAT_FAKE ?? 'quick';
    const report = sampleReport();
    report.pair = source.kind === 'config' ? source.pair : 'tables';
    report.protocol.seed = overrides.seed ?? 0;
    report.gates = [];
    progress.phase('Pretending', 0, 2);
    if (mode === 'bad-data') {
      throw new BackcompatError('bad-data', 'v1.npy has NaN in row 7.', {
        place: { file: 'v1.npy', row: 7 },
        remedy: 'Remove the row.',
      });
    }
    if (mode === 'defect') throw new TypeError('of undefined');
    if (mode === 'gates') report.gates = sampleReport().gates;
    if (mode === 'pictures') previews?.({ a: { text: 'what a person can see' } });
    if (mode === 'stuck') for (;;);
    if (mode === 'slow') {
      const until = Date.now() + Number(process.env.BACKCOMPAT_FAKE_MS ?? 60_000);
      for (let step = 0; Date.now() < until; step++) {
        progress.update(step, 1e9, 'steps');
        await new Promise((resolve) => setTimeout(resolve, 10));
        await progress.breathe();
        throwIfCancelled(signal);
      }
    }
    progress.log('warning', 'only pretending');
    progress.phase('Measuring', 1, 2);
    return report;
  },
});

/** The command line with an audit that only pretends, in the way that BACKCOMPAT_FAKE says. */
import { runCli } from '../../src/cli/runCli.ts';
import { BackcompatError, throwIfCancelled } from '../../src/core/contract/errors.ts';
import { REPORT_FILE_NAME } from '../../src/core/contract/report.ts';
import type { TrainingRecord } from '../../src/core/contract/training.ts';
import { writeRecord } from '../../src/core/pipeline/training/trainingRecord.ts';
import { sampleReport } from '../fixtures/report/sampleReport.ts';

process.exitCode = await runCli(process.argv.slice(2), {
  assets: new URL('./', import.meta.url),
  stalenessOf: async () => JSON.parse(process.env.BACKCOMPAT_STALE ?? '[]'),
  async runSessions() {
    throw new Error('No test runs sessions.');
  },
  async trainBlock({ directory, name }, { progress, writeReport }) {
    progress.phase('Pretending to train');
    const report = name === 'v1' ? null : sampleReport();
    if (report !== null) {
      report.gates = [];
      await writeReport('', report, {});
    }
    const part = { folder: '', title: name, lambda: null, method: 'independent', state: 'done' as const };
    const record: TrainingRecord = {
      format: 'backcompat.training',
      formatVersion: 1,
      name,
      engine: 'onnx',
      epochsPlanned: 1,
      stepsPerEpoch: 1,
      criterionMetric: 'map',
      seed: 0,
      parameters: { trained: 1, frozen: 0 },
      parts: [{ ...part, epochs: [], resultEpoch: 1, model: 'model.onnx', report: report && REPORT_FILE_NAME }],
      chosen: '',
      oldHead: null,
      secondsPerStep: null,
    };
    await writeRecord(directory, record);
    return { state: 'done', record, report };
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

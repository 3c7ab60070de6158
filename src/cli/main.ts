import { runCli } from './runCli.ts';

// Whoever reads our output may stop reading (`| head`): that is no failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0);
  throw error;
});

process.exitCode = await runCli(process.argv.slice(2), {
  // Native libraries are loaded by the process that computes, not by the one that follows it.
  auditPair: async (request, hooks) => (await import('../core/pipeline/auditPair.ts')).auditPair(request, hooks),
  stalenessOf: async (...asked) => (await import('../core/pipeline/staleness.ts')).stalenessOf(...asked),
  trainBlock: async (...asked) => (await import('../core/pipeline/training/trainBlock.ts')).trainBlock(...asked),
  runSessions: async (...asked) => (await import('../core/pipeline/sessions/runSessions.ts')).runSessions(...asked),
  assets: new URL('./', import.meta.url),
});

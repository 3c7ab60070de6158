/**
 * From a fresh clone to two verdicts on real images:
 *
 *   npm run demo [-- FOLDER]
 */
import { ensurePackages, runInherited, runMain } from './bootstrap.mjs';

await runMain(async () => {
  await ensurePackages();
  const { build } = await import('./build.mjs');
  await build();
  process.exitCode = runInherited(process.execPath, ['dist/cli.js', 'demo', ...process.argv.slice(2)]);
});

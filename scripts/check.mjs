/**
 * Types, lint and format, layers, and generated files that must not be stale:
 *
 *   node scripts/check.mjs
 */
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { ensurePackages, runInherited, runMain } from './bootstrap.mjs';

const root = fileURLToPath(new URL('../', import.meta.url));
const bin = (name) => path.join(root, 'node_modules/.bin', name);

const checks = {
  types: [bin('tsc'), ['-b', '--pretty', 'false']],
  'lint and format': [bin('biome'), ['check', '--error-on-warnings']],
  layers: [process.execPath, ['scripts/layers.mjs']],
  schemas: [process.execPath, ['scripts/schemas.mjs', '--check']],
};

/** Runs every check, also after one has failed. @returns {{ name: string, passed: boolean }[]} */
export function runChecks() {
  return Object.entries(checks).map(([name, [command, args]]) => {
    const passed = runInherited(command, args) === 0;
    console.log(`check: ${name} ${passed ? 'passed' : 'FAILED'}`);
    return { name, passed };
  });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await runMain(async () => {
    await ensurePackages();
    if (runChecks().some(({ passed }) => !passed)) process.exitCode = 1;
  });
}

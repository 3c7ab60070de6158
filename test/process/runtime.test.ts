import { existsSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import { buildBundle } from '../../scripts/build.mjs';
import { tfjsFolder } from '../../src/core/engine/tfjsRuntime.ts';
import { runCliProcess, startCli, temporaryFolder } from './cliProcess.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
const cli = path.join(root, 'test-output/runtimeCli/cli.js');

beforeAll(async () => {
  await buildBundle('cli', { outdir: path.dirname(cli) });
});

const run = (cacheHome: string | null, ...args: string[]) => {
  const env: Record<string, string> = cacheHome === null ? {} : { XDG_CACHE_HOME: cacheHome };
  return runCliProcess(cli, ['runtime', ...args], { cwd: temporaryFolder(), env });
};

/** A cache with something that looks like the installed runtime, and breaks when it is loaded. */
function brokenCache(): string {
  const home = temporaryFolder();
  const module = path.join(home, 'backcompat/tfjs/node_modules/@tensorflow/tfjs-node');
  mkdirSync(module, { recursive: true });
  writeFileSync(path.join(module, 'package.json'), '{"main":"index.js"}');
  writeFileSync(path.join(module, 'index.js'), 'throw new Error("libtensorflow.so.2: cannot open");');
  return home;
}

describe('backcompat runtime', () => {
  it('finds the installed runtime, trains a step with it, and does not install it again', async () => {
    const { status, stdout } = await run(null, 'status', '--json');
    expect(status).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({
      native: { file: expect.stringContaining(tfjsFolder()) as string, version: '4.22.0' },
      backend: 'tensorflow',
      complaint: null,
    });
    const installed = await run(null, 'install', 'tfjs');
    expect(installed).toMatchObject({ status: 0 });
    expect(installed.stdout).toBe(`The TensorFlow.js runtime was installed already: ${tfjsFolder()}\n`);
  });

  it('says what there is without it, and that there is nothing to remove', async () => {
    const home = temporaryFolder();
    const { stdout } = await run(home, 'status');
    expect(stdout).toContain('are audited (backend wasm), but cannot be trained');
    expect(stdout).toContain('backcompat runtime install tfjs');
    expect((await run(home, 'remove', 'tfjs')).stdout).toBe('Nothing is installed.\n');
    expect(await run(home, 'install', 'torch')).toMatchObject({ status: 2 });
  });

  it('says why a damaged one does not load, and removes it', async () => {
    const home = brokenCache();
    const { status, stdout } = await run(home, 'status');
    expect(status).toBe(0);
    expect(stdout).toContain('cannot be loaded (libtensorflow.so.2: cannot open)');
    expect(await run(home, 'remove', 'tfjs')).toMatchObject({ status: 0 });
    expect(readdirSync(path.join(home, 'backcompat'))).toEqual([]);
  });

  it('leaves nothing when it is interrupted', async () => {
    const home = temporaryFolder();
    const programs = temporaryFolder();
    const npm = path.join(programs, 'npm');
    writeFileSync(npm, '#!/bin/sh\ntouch started\nsleep 60\n', { mode: 0o755 });
    for (const name of ['sh', 'touch', 'sleep']) symlinkSync(`/bin/${name}`, path.join(programs, name));
    const running = startCli(cli, ['runtime', 'install', 'tfjs'], {
      cwd: temporaryFolder(),
      env: { XDG_CACHE_HOME: home, PATH: programs },
    });
    await running.printed(/Installing/);
    running.child.kill('SIGINT');
    expect(await running.ended).toMatchObject({ status: 130 });
    expect(readdirSync(path.join(home, 'backcompat'))).toEqual([]);
    expect(existsSync(path.join(home, 'backcompat/tfjs'))).toBe(false);
  });
});

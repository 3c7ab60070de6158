import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { chmod, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { type InstallOptions, installTfjs, removeTfjs, tfjsInstallation } from '../../src/core/runtime/installTfjs.ts';
import { ProgramError, runProgram } from '../../src/core/runtime/runProgram.ts';
import { downloadWheel, unpackMembers, type Wheel } from '../../src/core/runtime/wheel.ts';
import { errorOf, recordProgress, temporaryFolder } from '../fixtures/data/make.ts';
import { zipBytes } from '../fixtures/data/zip.ts';

let home: string;
let programs: string;

beforeEach(() => {
  home = temporaryFolder();
  programs = temporaryFolder();
  vi.stubEnv('XDG_CACHE_HOME', home);
  vi.stubEnv('PATH', programs);
  vi.stubEnv('CXX', '');
});
afterEach(() => vi.unstubAllEnvs());

/** A program of the test's own; scripts find the shell's usual companions. */
async function program(name: string, script: string): Promise<void> {
  await writeFile(path.join(programs, name), `#!/bin/sh\nPATH=/usr/bin:/bin\n${script}\n`);
  await chmod(path.join(programs, name), 0o755);
}

const module = 'node_modules/@tensorflow/tfjs-node';
const binding = `${module}/lib/napi-v8/tfjs_binding.node`;
const ordinaryNpm = `mkdir -p $(dirname ${binding}) && echo binding > ${binding}`;
/** As where TensorFlow cannot be downloaded: only without scripts is there an end. */
const npmWithoutNetwork = `case "$*" in
  *--ignore-scripts*) mkdir -p ${module}/binding && echo 'int x;' > ${module}/binding/tfjs_binding.cc;;
  *) echo 'npm error Error: getaddrinfo ENOTFOUND storage.example' >&2; exit 1;;
esac`;
const compiler = `[ "$1" = --version ] && exit
echo "$*" > arguments
while [ "$1" != -o ]; do shift; done
echo compiled > "$2"`;

const headers = ['c_api', 'c_api_macros', 'eager/c_api', 'tf_attrtype', 'tf_buffer', 'tf_datatype', 'tf_status']
  .concat('tf_tensor', 'tf_tstring')
  .map((name) => `tensorflow/c/${name}.h`)
  .concat(['core/platform/ctstring', 'core/platform/ctstring_internal'].map((name) => `tensorflow/${name}.h`))
  .concat(
    ['c/tsl_status', 'platform/ctstring', 'platform/ctstring_internal'].map((name) => `tensorflow/tsl/${name}.h`),
  );
const wheelBytes = zipBytes(
  [
    ...['libtensorflow_cc.so.2', 'libtensorflow_framework.so.2'].map((name) => `tensorflow/${name}`),
    ...headers.map((name) => `tensorflow/include/${name}`),
    'tensorflow/python/other.py',
  ].map((name) => ({ name, content: Buffer.from(name), packed: true })),
);
const wheel: Wheel = {
  project: 'tensorflow-cpu',
  version: '2.13.1',
  file: 'tensorflow_cpu-2.13.1-cp311-cp311-linux_x86_64.whl',
  bytes: wheelBytes.length,
  sha256: createHash('sha256').update(wheelBytes).digest('hex'),
};

/** A package index with that one file. */
async function startIndex({ isHtml = false, bytes = wheelBytes } = {}): Promise<string> {
  const server = createServer((request, response) => {
    if (request.url === '/simple/tensorflow-cpu/') {
      const html = `<a href="../../files/${wheel.file}#sha256=${wheel.sha256}">${wheel.file}</a>`;
      response.end(
        isHtml ? html : JSON.stringify({ files: [{ filename: wheel.file, url: `../../files/${wheel.file}` }] }),
      );
    } else if (request.url === `/files/${wheel.file}`) {
      response.end(bytes);
    } else {
      response.statusCode = 404;
      response.end();
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}/simple/`;
  vi.stubEnv('PIP_INDEX_URL', address);
  return address;
}

const options = (given: Partial<InstallOptions> = {}): InstallOptions => ({
  progress: recordProgress(),
  check: async () => null,
  wheel,
  ...given,
});

const left = () => (existsSync(path.join(home, 'backcompat')) ? readdirSync(path.join(home, 'backcompat')) : []);

describe('installTfjs', () => {
  it('takes the ordinary way where it works, once', async () => {
    await program('npm', ordinaryNpm);
    const homes: (string | null)[] = [];
    const check = async (cacheHome: string | null) => {
      homes.push(cacheHome);
      expect(existsSync(path.join(cacheHome ?? home, 'backcompat/tfjs', binding))).toBe(true);
      return null;
    };
    const folder = path.join(home, 'backcompat/tfjs');
    expect(await installTfjs(options({ check }))).toEqual({ folder, isNew: true });
    expect(tfjsInstallation()).toMatchObject({ version: '4.22.0', way: 'npm' });
    expect(await installTfjs(options({ check }))).toEqual({ folder, isNew: false });
    expect(homes).toEqual([`${folder}.unfinished`, null]);
    expect(await installTfjs(options({ isForced: true }))).toEqual({ folder, isNew: true });
    expect(left()).toEqual(['tfjs']);
    expect(await removeTfjs(options())).toBe(folder);
    expect(await removeTfjs(options())).toBe(null);
    expect(left()).toEqual([]);
  });

  it.each([false, true])('builds it from registries where the ordinary way fails (HTML index: %s)', async (isHtml) => {
    await program('npm', npmWithoutNetwork);
    await program('g++', compiler);
    await startIndex({ isHtml });
    const progress = recordProgress();
    const { folder } = await installTfjs(options({ progress }));
    expect(tfjsInstallation()).toMatchObject({ way: 'wheel' });
    expect(readFileSync(path.join(folder, binding), 'utf8')).toBe('compiled\n');
    // Through the link that the package's own script looks for.
    const library = readFileSync(path.join(folder, module, 'deps/lib/libtensorflow.so.2.9.1'), 'utf8');
    expect(library).toBe('tensorflow/libtensorflow_cc.so.2');
    expect(existsSync(path.join(folder, module, 'deps/include/tensorflow/tsl/platform/ctstring.h'))).toBe(true);
    const words = readFileSync(path.join(folder, 'arguments'), 'utf8');
    expect(words).toContain('-DNAPI_VERSION=8');
    expect(words).toContain('-Wl,-rpath,$ORIGIN/../../deps/lib');
    expect(left()).toEqual(['tfjs']);
  });

  it('keeps what was there when the new one cannot be made', async () => {
    await program('npm', ordinaryNpm);
    const { folder } = await installTfjs(options());
    await writeFile(path.join(folder, 'mine'), '');
    await program('npm', 'exit 1');
    await errorOf(installTfjs(options({ isForced: true })));
    expect(existsSync(path.join(folder, 'mine'))).toBe(true);
    expect(left()).toEqual(['tfjs']);
  });

  it('names what is missing', async () => {
    const noNpm = await errorOf(installTfjs(options()));
    expect(noNpm).toMatchObject({ code: 'install-failed', remedy: expect.any(String) as string });
    expect(noNpm.message).toContain('npm is missing');
    await program('npm', npmWithoutNetwork);
    const elsewhere = await errorOf(installTfjs(options({ wheel: null })));
    expect(elsewhere.message).toContain('getaddrinfo ENOTFOUND storage.example');
    const noCompiler = await errorOf(installTfjs(options()));
    expect(noCompiler.message).toContain('the C++ compiler g++ is missing');
    expect(noCompiler.remedy).toContain('apt-get install g++');
    await program('g++', '[ "$1" = --version ] && exit\necho "binding.cc:1: fatal error: no such thing" >&2; exit 1');
    await startIndex();
    expect((await errorOf(installTfjs(options()))).message).toContain('no such thing');
    vi.stubEnv('PIP_INDEX_URL', 'http://127.0.0.1:9/simple');
    const noNetwork = await errorOf(installTfjs(options()));
    expect(noNetwork.message).toMatch(/tensorflow-cpu 2\.13\.1 cannot be downloaded \(.*; .*python3/);
    expect(noNetwork.remedy).toContain('PIP_INDEX_URL');
    expect(left()).toEqual([]);
  });

  it('is not taken in by a runtime that does not work', async () => {
    await program('npm', ordinaryNpm);
    const error = await errorOf(installTfjs(options({ check: async () => 'does not load: no AVX' })));
    expect(error).toMatchObject({ code: 'install-failed' });
    expect(left()).toEqual([]);
    await installTfjs(options());
    // It worked once and does no more: it is made anew.
    const answers = ['does not load: gone', null];
    const again = await installTfjs(options({ check: async () => answers.shift() ?? null }));
    expect(again.isNew).toBe(true);
  });

  it('ends what it started when it is cancelled, and leaves nothing', async () => {
    const pidFile = path.join(home, 'pid');
    await program('npm', `sleep 60 & echo $! > ${pidFile}; wait`);
    const controller = new AbortController();
    const running = errorOf(installTfjs(options({ signal: controller.signal })));
    await vi.waitUntil(() => existsSync(pidFile) && readFileSync(pidFile, 'utf8') !== '');
    controller.abort();
    expect(await running).toMatchObject({ code: 'cancelled' });
    expect(left()).toEqual([]);
    const pid = Number(readFileSync(pidFile, 'utf8'));
    await vi.waitUntil(() => !isRunning(pid));
  });

  it('waits for another installation, and then finds that there is nothing to do', async () => {
    const calls = path.join(home, 'calls');
    await program('npm', `echo npm >> ${calls}\nsleep 0.3\n${ordinaryNpm}`);
    const both = await Promise.all([installTfjs(options()), installTfjs(options())]);
    expect(both.map(({ isNew }) => isNew)).toEqual([true, false]);
    expect(readFileSync(calls, 'utf8')).toBe('npm\n');
  });
});

describe('downloadWheel', () => {
  it('refuses a file with another sha256', async () => {
    const folder = temporaryFolder();
    await startIndex({ bytes: Buffer.from('another') });
    const error = await errorOf(downloadWheel(wheel, folder, recordProgress(), undefined));
    expect(error).toMatchObject({ code: 'install-failed' });
    expect(error.message).toContain('sha256');
  });

  it('asks pip where the index does not answer', async () => {
    const folder = temporaryFolder();
    vi.stubEnv('PIP_INDEX_URL', 'http://127.0.0.1:9/simple');
    const elsewhere = path.join(temporaryFolder(), wheel.file);
    await writeFile(elsewhere, wheelBytes);
    await program(
      'python3',
      `case "$*" in *"--dest ${folder} "*tensorflow-cpu==2.13.1) cp ${elsewhere} ${folder};; esac`,
    );
    expect(await downloadWheel(wheel, folder, recordProgress(), undefined)).toBe(path.join(folder, wheel.file));
  });
});

describe('unpackMembers', () => {
  it('names members that the archive lacks', async () => {
    const folder = temporaryFolder();
    const file = path.join(folder, 'w.whl');
    await writeFile(file, zipBytes([{ name: 'a/b', content: Buffer.from('x') }]));
    const target = path.join(folder, 'out/b');
    await unpackMembers(file, new Map([['a/b', target]]), undefined);
    expect(readFileSync(target, 'utf8')).toBe('x');
    const error = await errorOf(unpackMembers(file, new Map([['a/c', target]]), undefined));
    expect(error.message).toBe('w.whl lacks a/c.');
  });
});

describe('runProgram', () => {
  it('gives what was printed, or says how it ended', async () => {
    await program('good', 'echo out; echo err >&2');
    const printed = await runProgram(path.join(programs, 'good'), [], { folder: home, signal: undefined });
    expect(printed.split('\n').sort()).toEqual(['', 'err', 'out']);
    await program('bad', 'echo one; echo "npm error code 1"; echo "npm error Error: ENOTFOUND example"; exit 7');
    const error = await runProgram(path.join(programs, 'bad'), [], { folder: home, signal: undefined }).catch(
      (thrown: unknown) => thrown,
    );
    expect(error).toBeInstanceOf(ProgramError);
    expect(error).toMatchObject({ isMissing: false, reason: 'Error: ENOTFOUND example' });
    expect((error as Error).message).toContain('ended with 7');
  });
});

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch {
    return false;
  }
  // Killed, and not collected by whoever adopted it.
  return process.platform !== 'linux' || !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
}

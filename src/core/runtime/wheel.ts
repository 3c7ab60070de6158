import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { mkdir, readdir, stat } from 'node:fs/promises';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import yauzl from 'yauzl';
import { BackcompatError, isCancellation, throwIfCancelled } from '../contract/errors.ts';
import type { Progress } from '../contract/runs.ts';
import { ProgramError, runProgram } from './runProgram.ts';

/** A Python package in the one form that is taken. */
export interface Wheel {
  readonly project: string;
  readonly version: string;
  /** File name, by which an index lists it. */
  readonly file: string;
  readonly bytes: number;
  readonly sha256: string;
}

/**
 * The smallest wheel with the C library that tfjs-node 4.22 binds to, for Linux on x64 with the GNU C library 2.17 or
 * later. Later ones work as well and are larger.
 */
export const tensorflowWheel: Wheel = {
  project: 'tensorflow-cpu',
  version: '2.13.1',
  file: 'tensorflow_cpu-2.13.1-cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64.whl',
  bytes: 186_594_601,
  sha256: '87be6e61314b2c0fa062f71e26e41d6a17e162ffe4da72c820fe8f1fc94d97fe',
};

/** Where packages are when `PIP_INDEX_URL` does not say. */
const DEFAULT_INDEX = 'https://pypi.org/simple';
const INDEX_TIMEOUT_MS = 30_000;

/**
 * Downloads a wheel into `folder`: from the index of `PIP_INDEX_URL` or PyPI, else by pip, which knows of proxies and
 * of mirrors in its own configuration. Its sha256 is checked.
 * @returns path of the file
 * @throws BackcompatError `install-failed`, `cancelled`
 */
export async function downloadWheel(
  wheel: Wheel,
  folder: string,
  progress: Progress,
  signal: AbortSignal | undefined,
): Promise<string> {
  const file = path.join(folder, wheel.file);
  try {
    await download(wheel, file, progress, signal);
  } catch (direct) {
    throwIfCancelled(signal);
    await downloadByPip(wheel, folder, direct, signal);
  }
  const hash = createHash('sha256');
  await pipeline(createReadStream(file), hash, { signal });
  const found = hash.digest('hex');
  if (found === wheel.sha256) return file;
  throw new BackcompatError('install-failed', `${wheel.file} came damaged: its sha256 is ${found}.`, {
    remedy: 'Try again; if it happens twice, whatever stands between here and the package index changes files.',
  });
}

async function download(
  wheel: Wheel,
  file: string,
  progress: Progress,
  signal: AbortSignal | undefined,
): Promise<void> {
  const index = (process.env.PIP_INDEX_URL || DEFAULT_INDEX).replace(/\/*$/, '');
  const timeout = AbortSignal.timeout(INDEX_TIMEOUT_MS);
  const page = await fetch(`${index}/${wheel.project}/`, {
    headers: { accept: 'application/vnd.pypi.simple.v1+json, text/html;q=0.5' },
    signal: signal === undefined ? timeout : AbortSignal.any([signal, timeout]),
  });
  if (!page.ok) throw new Error(`${page.url} answered ${page.status}`);
  const address = addressOf(wheel.file, await page.text());
  if (address === null) throw new Error(`${page.url} does not list ${wheel.file}`);
  const response = await fetch(new URL(address, page.url), { signal: signal ?? null });
  if (!response.ok || response.body === null) throw new Error(`${response.url} answered ${response.status}`);
  const megabytes = (bytes: number) => Math.round(bytes / 1e6);
  let done = 0;
  await pipeline(
    response.body,
    async function* (chunks: AsyncIterable<Uint8Array>) {
      for await (const chunk of chunks) {
        done += chunk.length;
        progress.update(megabytes(done), megabytes(wheel.bytes), 'MB');
        yield chunk;
      }
    },
    createWriteStream(file),
    { signal },
  );
}

/** Address of a file on a page of an index, JSON (PEP 691) or HTML (PEP 503); null when it is not listed. */
function addressOf(name: string, page: string): string | null {
  try {
    const { files } = JSON.parse(page) as { files: { filename: string; url: string }[] };
    return files.find(({ filename }) => filename === name)?.url ?? null;
  } catch {
    const addresses = [...page.matchAll(/href\s*=\s*"([^"]+)"/g)].map((match) => match[1] as string);
    return addresses.find((address) => address.replace(/[#?].*$/, '').endsWith(`/${name}`)) ?? null;
  }
}

async function downloadByPip(
  { project, version, file }: Wheel,
  folder: string,
  direct: unknown,
  signal: AbortSignal | undefined,
): Promise<void> {
  const target = ['--platform', 'manylinux2014_x86_64', '--python-version', '3.11', '--implementation', 'cp'];
  const form = ['--abi', 'cp311', '--only-binary', ':all:', '--no-deps'];
  try {
    const download = ['-m', 'pip', 'download', '--quiet', '--dest', folder];
    await runProgram('python3', [...download, ...target, ...form, `${project}==${version}`], { folder, signal });
    if (!(await readdir(folder)).includes(file)) throw new Error(`pip brought another file than ${file}`);
  } catch (byPip) {
    if (isCancellation(byPip)) throw byPip;
    const words = [causeText(direct), byPip instanceof ProgramError ? `pip: ${byPip.reason}` : causeText(byPip)];
    throw new BackcompatError('install-failed', `${project} ${version} cannot be downloaded (${words.join('; ')}).`, {
      remedy:
        'Connect to PyPI, or name a mirror in PIP_INDEX_URL or in the configuration of pip, and try again. Without it models run in WebAssembly.',
      cause: direct,
    });
  }
}

/** `fetch` says "fetch failed" and keeps the reason to itself. */
function causeText(error: unknown): string {
  const { message, cause } = error as Error;
  return cause instanceof Error ? cause.message || message : message;
}

/**
 * Unpacks some members of a zip archive.
 * @param members paths of the files by name in the archive; their folders are made
 * @throws BackcompatError `bad-file` when one is missing or the archive is damaged
 */
export async function unpackMembers(
  file: string,
  members: ReadonlyMap<string, string>,
  signal: AbortSignal | undefined,
): Promise<void> {
  const missing = new Set(members.keys());
  const zip = await yauzl.openPromise(file, { lazyEntries: true, autoClose: false });
  try {
    for await (const entry of zip.eachEntry()) {
      const target = members.get(entry.fileName);
      if (target === undefined) continue;
      throwIfCancelled(signal);
      missing.delete(entry.fileName);
      await mkdir(path.dirname(target), { recursive: true });
      await pipeline(await zip.openReadStreamPromise(entry), createWriteStream(target), { signal });
      if ((await stat(target)).size !== entry.uncompressedSize) missing.add(entry.fileName);
    }
  } finally {
    zip.close();
  }
  if (missing.size === 0) return;
  throw new BackcompatError('bad-file', `${path.basename(file)} lacks ${[...missing].join(', ')}.`, {
    place: { file },
  });
}

import { open } from 'node:fs/promises';
import path from 'node:path';
import { BackcompatError } from '../core/contract/errors.ts';
import { MARKDOWN_MARK } from '../core/report/renderMarkdown.ts';
import { checkReportTarget } from '../core/report/reportFile.ts';

export const formats = ['text', 'json', 'html', 'md', 'junit', 'github'] as const;
export type Format = (typeof formats)[number];

/** How an older rendering of ours begins; anything else is not overwritten. */
const beginnings: Readonly<Record<Exclude<Format, 'json'>, RegExp>> = {
  text: /^Backcompat (?:audit|gates|comparison): /,
  html: /<meta name="generator" content="Backcompat">/,
  md: new RegExp(`^${MARKDOWN_MARK}`),
  junit: /^<\?xml [^>]*>\s*<testsuites name="backcompat"/,
  github: /^::(?:error|warning|notice) /,
};

/**
 * Whether a rendering may be written there: nothing is overwritten but an older one of its kind.
 * @returns the absolute path
 * @throws BackcompatError `in-use`
 */
export async function checkTarget(target: string, format: Format): Promise<string> {
  const file = path.resolve(target);
  if (format === 'json') {
    await checkReportTarget(file);
    return file;
  }
  const handle = await open(file, 'r').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null;
    throw error;
  });
  if (handle === null) return file;
  const head = Buffer.alloc(4096);
  try {
    if ((await handle.stat()).isFile()) await handle.read(head, 0, head.length, 0);
  } finally {
    await handle.close();
  }
  if (beginnings[format].test(head.toString('utf8'))) return file;
  throw new BackcompatError('in-use', `${file} exists and is not a report; it stays as it is.`, {
    place: { file },
    remedy: 'Choose another file.',
  });
}

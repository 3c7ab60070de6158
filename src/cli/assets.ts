import { readFile } from 'node:fs/promises';
import { BackcompatError } from '../core/contract/errors.ts';
import type { PageAssets } from '../core/report/renderHtml.ts';

/** The page's script and style, of the build that runs. @throws BackcompatError `internal` when missing */
export async function readPageAssets(assets: URL): Promise<PageAssets> {
  try {
    const [script, style] = await Promise.all(
      ['webview/report.js', 'webview/report.css'].map((file) => readFile(new URL(file, assets), 'utf8')),
    );
    return { script: withoutMapComment(script ?? ''), style: withoutMapComment(style ?? '') };
  } catch (cause) {
    throw new BackcompatError('internal', 'The report page of this build is missing.', {
      remedy: 'Build the project again: npm run build',
      cause,
    });
  }
}

/** A page of its own has no source map beside it. */
function withoutMapComment(text: string): string {
  return text.replace(/\n?(?:\/\/# sourceMappingURL=.*|\/\*# sourceMappingURL=.*?\*\/)\s*$/, '\n');
}

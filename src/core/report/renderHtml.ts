import { createHash } from 'node:crypto';
import { pairTitle } from '../contract/findings.ts';
import { visibleText } from '../contract/format.ts';
import type { ItemPreviews, Report } from '../contract/report.ts';
import { renderText } from './renderText.ts';
import { assertFinite } from './reportFile.ts';

/** The id of the element that holds the report's JSON; the page's script looks for it. */
export const REPORT_ELEMENT_ID = 'backcompat-report';
/** The same for the pictures of its items. */
export const PREVIEWS_ELEMENT_ID = 'backcompat-previews';

export interface PageAssets {
  /** The page's script and style sheet, as text: the same that the editor's panel loads. */
  script: string;
  style: string;
}

/**
 * The report as one page that opens offline: script, style and data inside, and a policy that lets
 * exactly these run and loads nothing else.
 */
export function renderHtml(report: Report, assets: PageAssets, previews: ItemPreviews = {}): string {
  assertFinite(report);
  // An inline script ends at the first "</script", whatever it means in JavaScript.
  const script = assets.script.replace(/<\/(script)/gi, '<\\/$1').replace(/<!--/g, '<\\!--');
  const style = assets.style.replace(/<\/(style)/gi, '<\\/$1');
  const policy = [
    "default-src 'none'",
    `script-src '${contentHash(script)}'`,
    `style-src '${contentHash(style)}'`,
    'img-src data:',
    "base-uri 'none'",
    "form-action 'none'",
  ].join('; ');
  const pictures =
    Object.keys(previews).length === 0
      ? ''
      : `<script type="application/json" id="${PREVIEWS_ELEMENT_ID}">${embeddedJson(previews)}</script>\n`;
  const text = renderText(report, { width: 110, colour: false });
  return `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="generator" content="Backcompat">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(`${visibleText(pairTitle(report))} · Backcompat`)}</title>
<style>${style}</style>
</head>
<body>
<noscript><pre>${escapeHtml(text)}</pre></noscript>
<script type="application/json" id="${REPORT_ELEMENT_ID}">${embeddedJson(report)}</script>
${pictures}<script>${script}</script>
</body>
</html>
`;
}

/** For a Content Security Policy. Text is written as UTF-8, so that is what browsers hash. */
function contentHash(text: string): string {
  return `sha256-${createHash('sha256').update(text, 'utf8').digest('base64')}`;
}

/** JSON that no HTML parser can take for markup, still JSON; also safe as JavaScript. */
function embeddedJson(value: Report | ItemPreviews): string {
  const escapes: Record<string, string> = {
    '<': '\\u003c',
    '>': '\\u003e',
    '&': '\\u0026',
    '\u2028': '\\u2028',
    '\u2029': '\\u2029',
  };
  return JSON.stringify(value).replace(/[<>&\u2028\u2029]/g, (character) => escapes[character] ?? character);
}

function escapeHtml(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
    .replaceAll("'", '&#39;');
}

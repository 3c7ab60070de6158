/**
 * The frame of the report's page. Pure, so that its policy can be tested without an editor.
 * Nothing may load but our script (by nonce), our style sheet, and pictures from the page itself.
 */
export function pageHtml(page: {
  script: string;
  style: string;
  /** The webview's own origin for `img-src` and `style-src`. */
  source: string;
  nonce: string;
  title: string;
}): string {
  const policy = [
    "default-src 'none'",
    `script-src 'nonce-${page.nonce}'`,
    `style-src ${page.source}`,
    `img-src data: ${page.source}`,
    "font-src 'none'",
  ].join('; ');
  return `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${escaped(policy)}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escaped(page.title)}</title>
<link rel="stylesheet" href="${escaped(page.style)}">
</head>
<body>
<script nonce="${page.nonce}" src="${escaped(page.script)}"></script>
</body>
</html>
`;
}

/** Labels and file names are data: they stay text. */
function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
}

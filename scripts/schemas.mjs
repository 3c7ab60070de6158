/**
 * Writes the JSON Schema of the config, generated from the definitions that the loader uses.
 *
 *   node scripts/schemas.mjs          writes media/schemas/backcompat.schema.json
 *   node scripts/schemas.mjs --check  fails when the file is stale
 */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { build } from 'esbuild';

const root = fileURLToPath(new URL('..', import.meta.url));
const target = path.join(root, 'media/schemas/backcompat.schema.json');

/** The exports of a TypeScript module of the product: Node 20 does not read TypeScript. */
async function importSource(file) {
  const bundle = await build({
    entryPoints: [path.join(root, file)],
    bundle: true,
    write: false,
    format: 'esm',
    platform: 'node',
  });
  const code = Buffer.from(bundle.outputFiles[0].contents).toString('base64');
  return import(`data:text/javascript;base64,${code}`);
}

export async function schemaText() {
  const { configJsonSchema } = await importSource('src/core/config/schema.ts');
  return `${JSON.stringify(configJsonSchema(), null, 2)}\n`;
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const text = await schemaText();
  const before = await readFile(target, 'utf8').catch(() => null);
  if (text === before) {
    console.log('media/schemas/backcompat.schema.json is up to date.');
  } else if (process.argv.includes('--check')) {
    console.error('media/schemas/backcompat.schema.json is stale: run node scripts/schemas.mjs');
    process.exitCode = 1;
  } else {
    await mkdir(path.dirname(target), { recursive: true });
    await writeFile(target, text);
    console.log('Wrote media/schemas/backcompat.schema.json.');
  }
}

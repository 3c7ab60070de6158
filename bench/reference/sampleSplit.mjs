/**
 * Writes the sample's digits and their split for the Python scripts of this folder.
 *
 *   node bench/reference/sampleSplit.mjs FOLDER
 *
 * FOLDER gets `digits.idx` (images, IDX3 of uint8), `labels.idx` (IDX1 of uint8), and `train.txt`,
 * `gallery.txt`, `query.txt`: one item index per line, ascending.
 *
 * The split is the product's own function, bundled from its source: a second implementation of the
 * random numbers in Python could drift from it unnoticed.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

// `require` rather than `import`: it also looks in NODE_PATH, for a run before `npm install`.
const require = createRequire(import.meta.url);
const esbuild = require('esbuild');

const side = 28;
const root = fileURLToPath(new URL('../../', import.meta.url));

/** The exports of a TypeScript module of the product. */
async function importSource(file) {
  const bundle = await esbuild.build({
    entryPoints: [path.join(root, file)],
    bundle: true,
    write: false,
    format: 'esm',
    platform: 'node',
  });
  const code = Buffer.from(bundle.outputFiles[0].contents).toString('base64');
  return import(`data:text/javascript;base64,${code}`);
}

/** IDX: two zero bytes, the type (8: uint8), the number of dimensions, the sizes, the values. */
function idx(sizes, values) {
  const header = Buffer.alloc(4 + 4 * sizes.length);
  header.writeUInt8(8, 2);
  header.writeUInt8(sizes.length, 3);
  sizes.forEach((size, index) => {
    header.writeUInt32BE(size, 4 + 4 * index);
  });
  return Buffer.concat([header, values]);
}

const folder = process.argv[2];
if (folder === undefined) {
  console.error('usage: node bench/reference/sampleSplit.mjs FOLDER');
  process.exit(2);
}
mkdirSync(folder, { recursive: true });

const classNames = Array.from({ length: 10 }, (_, digit) => String(digit));
// One flat list of values per class, 784 to a digit. Items are numbered over the classes in order.
const perClass = classNames.map((name) => require(`mnist/src/digits/${name}.json`).data);
const labels = Uint8Array.from(perClass.flatMap((values, label) => Array(values.length / (side * side)).fill(label)));
// The package stores value / 255 rounded to three digits, so rounding restores the byte exactly.
const pixels = Uint8Array.from(perClass.flat(), (value) => Math.round(value * 255));

const { splitItems } = await importSource('src/core/data/split.ts');
const split = splitItems(Int32Array.from(labels), classNames, { train: 0.6, gallery: 0.3, query: 0.1 }, 0);

writeFileSync(path.join(folder, 'digits.idx'), idx([labels.length, side, side], pixels));
writeFileSync(path.join(folder, 'labels.idx'), idx([labels.length], labels));
for (const [part, items] of split) {
  writeFileSync(path.join(folder, `${part}.txt`), `${Array.from(items).join('\n')}\n`);
}
const sizes = [...split].map(([part, items]) => `${part} ${items.length}`);
console.log(`${labels.length} digits: ${sizes.join(', ')}`);

/**
 * Makes the second data set of benchmarks and tests: 94 characters in many typefaces, as small grey images.
 *
 *   node scripts/makeGlyphs.mjs [FOLDER]        (default: ~/.cache/backcompat/glyphs)
 *
 * FOLDER gets `images/`, `manifest.csv` (file, label, part, slice, typeface, weight), `backcompat.json` with the dataset, and
 * `contact-sheet.png`. A class is a character, an item one of its outlines: regular and, where there is one, bold. Typefaces lie whole in one part
 * (train, gallery, query), so that what is searched for was never seen in its typeface. The same packages give
 * the same bytes; a folder that is there already stays.
 *
 * The typefaces are the npm packages `@fontsource/*` (Open Font License and such), installed beside FOLDER while it is made, and
 * needed by nothing else; outlines are read by `opentype.js` and filled by `sharp`.
 */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import os from 'node:os';
import path from 'node:path';
import { ensurePackages, runInherited, runMain, SetupError } from './bootstrap.mjs';

const VERSION = '5.3.0';
const otherVersions = { 'source-serif-4': '5.3.1' };
const OPENTYPE = '2.0.0';

/** Slice -> part -> packages. */
const typefaces = {
  sans: {
    train:
      'inter open-sans montserrat raleway work-sans fira-sans pt-sans karla barlow dm-sans exo-2 quicksand archivo hind manrope asap signika overpass',
    gallery: 'roboto poppins source-sans-3 oxygen cabin titillium-web heebo catamaran',
    query: 'lato nunito ubuntu rubik mulish josefin-sans',
  },
  serif: {
    train:
      'merriweather playfair-display source-serif-4 eb-garamond bitter arvo vollkorn cardo domine tinos frank-ruhl-libre martel',
    gallery: 'lora crimson-text roboto-slab spectral alegreya rokkitt',
    query: 'pt-serif libre-baskerville cormorant-garamond gelasio zilla-slab',
  },
  mono: {
    train:
      'roboto-mono fira-code jetbrains-mono inconsolata pt-mono anonymous-pro overpass-mono azeret-mono red-hat-mono',
    gallery: 'source-code-pro ubuntu-mono cousine share-tech-mono',
    query: 'fira-mono ibm-plex-mono space-mono dm-mono',
  },
};
const weights = [400, 700];
/** All printable ASCII but the space. */
const characters = Array.from({ length: 94 }, (_, k) => String.fromCharCode(33 + k));

const SIDE = 32;
/** Of free pixels around the largest character of a typeface. */
const MARGIN = 1;
/** Images of a row of the contact sheet. */
const SHEET_COLUMNS = 47;

/** @returns {{ name: string, slice: string, part: string }[]} in a fixed order */
function listed() {
  return Object.entries(typefaces).flatMap(([slice, parts]) =>
    Object.entries(parts).flatMap(([part, names]) => names.split(' ').map((name) => ({ name, slice, part }))),
  );
}

function installPackages(folder) {
  mkdirSync(folder, { recursive: true });
  const fonts = listed().map(({ name }) => [`@fontsource/${name}`, otherVersions[name] ?? VERSION]);
  const dependencies = Object.fromEntries([['opentype.js', OPENTYPE], ...fonts]);
  writeFileSync(path.join(folder, 'package.json'), JSON.stringify({ private: true, dependencies }, null, 2));
  const install = ['install', '--prefix', folder, '--ignore-scripts', '--no-audit', '--no-fund', '--no-package-lock'];
  if (runInherited('npm', install) !== 0) throw new SetupError('The typefaces could not be installed from npm.');
}

/** One size and baseline for all characters of a typeface: what makes `c` and `C` different must stay. */
function frameOf(font) {
  const boxes = characters.map((character) => font.charToGlyph(character).getBoundingBox());
  const top = Math.max(...boxes.map(({ y2 }) => y2));
  const bottom = Math.min(...boxes.map(({ y1 }) => y1));
  const width = Math.max(...boxes.map(({ x1, x2 }) => x2 - x1));
  const scale = (SIDE - 2 * MARGIN) / Math.max(top - bottom, width);
  return { size: scale * font.unitsPerEm, baseline: SIDE / 2 + ((top + bottom) / 2) * scale, scale };
}

/** An outline in SVG's words. The package's own `toPathData` (2.0.0) writes NaN for some numbers. */
function pathData({ commands }) {
  const places = ['x1', 'y1', 'x2', 'y2', 'x', 'y'];
  return commands
    .map((command) => {
      const numbers = places.filter((place) => command[place] !== undefined).map((place) => command[place].toFixed(3));
      return command.type + numbers.join(' ');
    })
    .join('');
}

/** White on black, as handwritten digits are kept. @returns {Promise<Buffer>} 32 x 32 grey pixels */
async function render(sharp, font, character, { size, baseline, scale }) {
  const glyph = font.charToGlyph(character);
  const { x1, x2 } = glyph.getBoundingBox();
  const outline = pathData(glyph.getPath(SIDE / 2 - ((x1 + x2) / 2) * scale, baseline, size));
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="${SIDE}" height="${SIDE}"><rect width="100%" height="100%"/><path fill="#fff" d="${outline}"/></svg>`;
  return sharp(Buffer.from(svg)).toColourspace('b-w').removeAlpha().raw().toBuffer();
}

/** Fonts of a typeface that hold every character. @returns {{ weight: number, font: object }[]} */
function fontsOf(opentype, packages, name) {
  const found = [];
  for (const weight of weights) {
    const file = path.join(packages, `node_modules/@fontsource/${name}/files/${name}-latin-${weight}-normal.woff`);
    if (!existsSync(file)) continue;
    const bytes = readFileSync(file);
    const font = opentype.parse(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length));
    const missing = characters.filter((character) => font.charToGlyphIndex(character) === 0);
    if (missing.length > 0) throw new SetupError(`${name} lacks ${missing.join(' ')}.`);
    found.push({ weight, font });
  }
  if (found.length === 0) throw new SetupError(`${name} has no file of weight ${weights[0]}.`);
  return found;
}

const config = `{
  "datasets": {
    "glyphs": { "manifest": "manifest.csv", "path": "file", "label": "label", "split": "part", "slices": ["slice"] }
  }
}
`;

async function makeGlyphs(folder) {
  const packages = path.join(path.dirname(folder), `${path.basename(folder)}-packages`);
  installPackages(packages);
  const sharp = createRequire(import.meta.url)('sharp');
  const opentype = createRequire(path.join(packages, 'package.json'))('opentype.js');
  const making = `${folder}.unfinished`;
  rmSync(making, { recursive: true, force: true });
  const rows = [['file', 'label', 'part', 'slice', 'typeface', 'weight']];
  const sheet = [];
  const hash = createHash('sha256');
  const quoted = (value) => (/[",]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value);
  for (const { name, slice, part } of listed()) {
    for (const { weight, font } of fontsOf(opentype, packages, name)) {
      mkdirSync(path.join(making, 'images', `${name}-${weight}`), { recursive: true });
      const frame = frameOf(font);
      for (const character of characters) {
        const pixels = await render(sharp, font, character, frame);
        hash.update(pixels);
        // Names of files that every system takes, and tells apart without case.
        const file = `images/${name}-${weight}/${character.codePointAt(0).toString(16)}.png`;
        await sharp(pixels, { raw: { width: SIDE, height: SIDE, channels: 1 } })
          .png()
          .toFile(path.join(making, file));
        rows.push([file, character, part, slice, name, weight].map(String).map(quoted));
        if (weight === weights[0]) sheet.push(pixels);
      }
    }
  }
  writeFileSync(path.join(making, 'manifest.csv'), `${rows.map((row) => row.join(',')).join('\n')}\n`);
  writeFileSync(path.join(making, 'backcompat.json'), config);
  await writeSheet(sharp, sheet, path.join(making, 'contact-sheet.png'));
  rmSync(packages, { recursive: true });
  renameSync(making, folder);
  console.log(`glyphs: ${rows.length - 1} images of ${characters.length} characters in ${folder}`);
  console.log(`glyphs: sha256 of all pixels ${hash.digest('hex')}`);
}

/** The regular weight of every typeface, two rows each. */
async function writeSheet(sharp, images, file) {
  const height = Math.ceil(images.length / SHEET_COLUMNS) * SIDE;
  const pixels = Buffer.alloc(SHEET_COLUMNS * SIDE * height);
  images.forEach((image, place) => {
    const left = (place % SHEET_COLUMNS) * SIDE;
    const top = Math.floor(place / SHEET_COLUMNS) * SIDE;
    for (let row = 0; row < SIDE; row++) {
      image.copy(pixels, (top + row) * SHEET_COLUMNS * SIDE + left, row * SIDE, (row + 1) * SIDE);
    }
  });
  await sharp(pixels, { raw: { width: SHEET_COLUMNS * SIDE, height, channels: 1 } })
    .png()
    .toFile(file);
}

await runMain(async () => {
  await ensurePackages();
  const cache = path.join(process.env.XDG_CACHE_HOME || path.join(os.homedir(), '.cache'), 'backcompat');
  const folder = path.resolve(process.argv[2] ?? path.join(cache, 'glyphs'));
  if (existsSync(path.join(folder, 'manifest.csv'))) console.log(`glyphs: ${folder} is there already`);
  else if (existsSync(folder)) throw new SetupError(`${folder} is there and holds no glyphs; name another folder.`);
  else await makeGlyphs(folder);
});

/**
 * Checks that imports point one way: every source file may import only what its room may know.
 *
 *   node scripts/layers.mjs
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { builtinModules } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const foundation = ['src/core/contract', 'src/core/numeric'];
const readers = ['src/core/config', 'src/core/data', 'src/core/models', 'src/core/engine', 'src/core/runs'];
const core = [
  ...foundation,
  ...readers,
  'src/core/audit',
  'src/core/training',
  'src/core/continual',
  'src/core/report',
  'src/core/pipeline',
];
const node = 'node:*';
const tensorflow = ['core', 'layers', 'converter', 'backend-cpu', 'backend-wasm', 'node'].map(
  (part) => `@tensorflow/tfjs-${part}`,
);

/**
 * Room -> the rooms and packages it may import, beside itself. The longest matching room counts.
 * `node:*` stands for Node's own modules.
 */
const rooms = {
  'src/core/contract': [],
  'src/core/numeric': ['src/core/contract', node],
  'src/core/config': [...foundation, ...readers, node, 'zod', 'jsonc-parser'],
  'src/core/data': [
    ...foundation,
    ...readers,
    node,
    'sharp',
    'csv-parse',
    'yauzl',
    'hyparquet',
    'hyparquet-compressors',
  ],
  'src/core/models': [
    ...foundation,
    ...readers,
    node,
    'sharp',
    '@bufbuild/protobuf',
    '@huggingface/tokenizers',
    '@tensorflow/tfjs-core',
    '@tensorflow/tfjs-layers',
  ],
  'src/core/engine': [...foundation, ...readers, node, 'onnxruntime-node', '@bufbuild/protobuf', ...tensorflow],
  'src/core/runs': [...foundation, ...readers, node],
  // Installs what npm cannot bring.
  'src/core/runtime': [...foundation, ...readers, node, 'yauzl'],
  'src/core/audit': [...foundation, ...readers, node],
  // It measures what it trains.
  'src/core/training': [...foundation, ...readers, 'src/core/audit', node, '@tensorflow/tfjs-core'],
  'src/core/continual': [...foundation, ...readers, 'src/core/audit', 'src/core/training', node, 'zod'],
  'src/core/report': [...foundation, ...readers, 'src/core/audit', node],
  'src/core/pipeline': [...core, node],
  'src/protocol': ['src/core/contract'],
  'src/cli': [...core, 'src/core/runtime', node, 'commander'],
  // Answers the editor's questions in a process of its own.
  'src/worker': [...core, 'src/protocol', node, 'vscode-jsonrpc'],
  'src/host': [...core, 'src/protocol', node, 'vscode', 'jsonc-parser', 'vscode-jsonrpc'],
  'src/extension.ts': ['src/host', node, 'vscode'],
  webview: ['src/protocol', 'src/core/contract', 'chart.js'],
};

/** Folders whose files must lie in a room of the table. */
const sources = ['src', 'webview'];
/** Readable by every room: the product's name and version. */
const shared = ['package.json'];

const imports = [
  /\b(?:import|export)\b[\w\s{},*$]*?\bfrom\s*(['"])(.+?)\1/g,
  /\bimport\s*(['"])(.+?)\1/g,
  /\bimport\s*\(\s*(['"])(.+?)\1\s*\)/g,
  /\brequire\s*\(\s*(['"])(.+?)\1\s*\)/g,
];

/** Every module a file names, with the line it is named on; types count like values. */
function importsOf(text) {
  // Comments become blanks of the same length, so that lines still count.
  const code = text.replace(/\/\*[\s\S]*?\*\/|(?<=^|\s)\/\/.*$/gm, (comment) => comment.replace(/[^\n]/g, ' '));
  return imports.flatMap((pattern) =>
    [...code.matchAll(pattern)].map((match) => ({
      name: match[2],
      line: code.slice(0, match.index + match[0].length).split('\n').length,
    })),
  );
}

function roomOf(file) {
  const matching = Object.keys(rooms).filter((room) => file === room || file.startsWith(`${room}/`));
  return matching.sort((a, b) => b.length - a.length)[0] ?? null;
}

function packageOf(name) {
  if (name.startsWith('node:') || builtinModules.includes(name)) return node;
  return name.split('/', name.startsWith('@') ? 2 : 1).join('/');
}

function filesBelow(folder) {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && /\.[cm]?[jt]s$/.test(entry.name))
    .map((entry) => path.join(entry.parentPath, entry.name));
}

/**
 * @param {string} root folder of the repository
 * @returns {string[]} one line a violation, `file:line: what is wrong`; empty when all is well
 */
export function findViolations(root) {
  const violations = [];
  for (const absolute of sources.flatMap((folder) => filesBelow(path.join(root, folder)))) {
    const file = path.relative(root, absolute).split(path.sep).join('/');
    const room = roomOf(file);
    if (room === null) {
      violations.push(`${file}:1: lies in no room of the table in scripts/layers.mjs`);
      continue;
    }
    for (const { name, line } of importsOf(readFileSync(absolute, 'utf8'))) {
      let target = packageOf(name);
      if (name.startsWith('.')) {
        const resolved = path.posix.join(path.posix.dirname(file), name);
        if (shared.includes(resolved)) continue;
        target = roomOf(resolved) ?? resolved;
      }
      if (target !== room && !rooms[room].includes(target)) {
        violations.push(`${file}:${line}: ${room} must not import ${target}`);
      }
    }
  }
  return violations;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const violations = findViolations(fileURLToPath(new URL('../', import.meta.url)));
  for (const violation of violations) console.error(violation);
  if (violations.length > 0) process.exitCode = 1;
  else console.log('layers: imports point one way');
}

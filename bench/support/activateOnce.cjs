/** Loads and activates an extension once, in this fresh process: `node activateOnce.cjs EXTENSION`; says what it took, as JSON. */
const Module = require('node:module');
const path = require('node:path');

const extension = process.argv[2];
const resolve = Module._resolveFilename;
Module._resolveFilename = (request, ...rest) =>
  request === 'vscode' ? path.join(__dirname, '../../test/fixtures/vscodeStandIn.cjs') : resolve(request, ...rest);
require('vscode');
// What every extension host has loaded before the first extension comes.
for (const name of ['child_process', 'crypto', 'fs/promises', 'net', 'os', 'url', 'util']) require(`node:${name}`);

function since({ time, cpu }) {
  const { user, system } = process.cpuUsage(cpu);
  return { ms: performance.now() - time, cpuMs: (user + system) / 1000 };
}
const now = () => ({ time: performance.now(), cpu: process.cpuUsage() });

void (async () => {
  const memory = { get: (_key, value) => value, update: async () => {} };
  const folder = path.dirname(path.dirname(extension));
  const context = { subscriptions: [], extensionPath: folder, extensionUri: {}, workspaceState: memory };
  const start = now();
  const { activate } = require(extension);
  const load = since(start);
  const middle = now();
  await activate(context);
  const activation = since(middle);
  console.log(JSON.stringify({ load, activate: activation, node: process.version }));
  process.exit();
})();

/**
 * Imported by tests of WebAssembly: the native runtime, which `npm test` installs, is not found in their process.
 * For its side effect; the runtime is loaded later, at its first use.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';

const folder = mkdtempSync(path.join(os.tmpdir(), 'backcompat-cache-'));
process.env.XDG_CACHE_HOME = folder;
process.once('exit', () => rmSync(folder, { recursive: true, force: true }));

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'vitest';

const folder = fileURLToPath(new URL('../golden/', import.meta.url));

/**
 * Holds a rendering against the file that was accepted last. With UPDATE_GOLDEN=1 in the environment it
 * is accepted: look at the difference before it is committed.
 */
export function expectGolden(name: string, text: string): void {
  const file = path.join(folder, name);
  if (process.env.UPDATE_GOLDEN === '1') {
    mkdirSync(folder, { recursive: true });
    writeFileSync(file, text);
  }
  expect(text, `${name} differs; accept it with UPDATE_GOLDEN=1`).toBe(readFileSync(file, 'utf8'));
}

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { findViolations } from '../../scripts/layers.mjs';

let root: string;

beforeEach(() => {
  root = mkdtempSync(path.join(os.tmpdir(), 'layers-'));
});

afterEach(() => {
  rmSync(root, { recursive: true });
});

function plant(file: string, text: string): string[] {
  const absolute = path.join(root, file);
  mkdirSync(path.dirname(absolute), { recursive: true });
  writeFileSync(absolute, text);
  return findViolations(root);
}

describe('findViolations', () => {
  it('is silent about imports that point the right way', () => {
    plant('src/core/audit/pass.ts', "import { rank } from '../numeric/rank.ts';\nimport fs from 'node:fs';\n");
    plant(
      'src/host/panel.ts',
      "import * as vscode from 'vscode';\nimport type { Message } from '../protocol/messages.ts';\n",
    );
    expect(plant('src/extension.ts', "import { registerPanel } from './host/panel.ts';\n")).toEqual([]);
  });

  it.each([
    [
      'src/core/data/read.ts',
      "import { audit } from '../audit/audit.ts';",
      'src/core/data must not import src/core/audit',
    ],
    ['src/core/contract/errors.ts', "import fs from 'node:fs';", 'src/core/contract must not import node:*'],
    ['src/core/runs/list.ts', "import * as vscode from 'vscode';", 'src/core/runs must not import vscode'],
    ['src/core/report/html.ts', "import { main } from '../../cli/main.ts';", 'src/core/report must not import src/cli'],
    ['src/host/run.ts', "import type { Tensor } from 'onnxruntime-node';", 'src/host must not import onnxruntime-node'],
    ['src/host/run.ts', "const sharp = await import('sharp');", 'src/host must not import sharp'],
    [
      'src/protocol/messages.ts',
      "import { list } from '../core/runs/list.ts';",
      'src/protocol must not import src/core/runs',
    ],
    ['webview/report/main.ts', "import { readFileSync } from 'fs';", 'webview must not import node:*'],
    ['webview/report/main.ts', "export {\n  a,\n} from '../../src/host/panel.ts';", 'webview must not import src/host'],
    ['src/cli/main.ts', "import '../host/panel.ts';", 'src/cli must not import src/host'],
    ['src/core/data/left.ts', "import pad from 'left-pad';", 'src/core/data must not import left-pad'],
  ])('finds %s: %s', (file, text, message) => {
    const violations = plant(file, `// A comment first.\n${text}\n`);
    expect(violations).toHaveLength(1);
    expect(violations[0]).toContain(message);
    expect(violations[0]).toMatch(new RegExp(`^${file}:[2-4]: `));
  });

  it('does not take a comment for an import', () => {
    expect(
      plant('webview/report/main.ts', "// import fs from 'node:fs'\n/* import 'vscode' */\nexport const x = 1;\n"),
    ).toEqual([]);
  });

  it('wants every file in a room', () => {
    expect(plant('src/lost.ts', 'export const x = 1;\n')).toEqual([
      'src/lost.ts:1: lies in no room of the table in scripts/layers.mjs',
    ]);
  });

  it('finds nothing in this repository', () => {
    expect(findViolations(fileURLToPath(new URL('../../', import.meta.url)))).toEqual([]);
  });
});

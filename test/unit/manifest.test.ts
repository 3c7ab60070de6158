import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { buildBundle } from '../../scripts/build.mjs';
import * as ids from '../../src/host/ids.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
const readJson = (file: string) => JSON.parse(readFileSync(path.join(root, file), 'utf8'));
const manifest = readJson('package.json');
const strings: Record<string, string> = readJson('package.nls.json');
const { contributes } = manifest;

type Contribution = { command: string; when?: string };

describe('package.json and src/host/ids.ts', () => {
  it('name the same commands', () => {
    const contributed = contributes.commands.map(({ command }: Contribution) => command);
    expect(contributed.sort()).toEqual(Object.values(ids.commandIds).sort());
  });

  it('name the same views, in one container', () => {
    expect(contributes.viewsContainers.activitybar.map(({ id }: { id: string }) => id)).toEqual([ids.viewContainerId]);
    const views = contributes.views[ids.viewContainerId].map(({ id }: { id: string }) => id);
    expect(views).toEqual(Object.values(ids.viewIds));
  });

  it('name the same editor, task type and problem matcher', () => {
    expect(contributes.customEditors.map(({ viewType }: { viewType: string }) => viewType)).toEqual([
      ids.reportEditorId,
    ]);
    expect(contributes.customEditors[0].selector).toEqual([{ filenamePattern: ids.reportGlob }]);
    expect(contributes.taskDefinitions.map(({ type }: { type: string }) => type)).toEqual([ids.taskType]);
    expect(contributes.problemMatchers.map(({ name }: { name: string }) => name)).toEqual([ids.problemMatcherName]);
  });

  it('name the same settings with the same defaults, each with its scope and description', () => {
    const { properties } = contributes.configuration;
    const typed = Object.fromEntries(Object.values(ids.settings).map(({ key, default: value }) => [key, value]));
    const contributed = Object.entries<{ default: unknown }>(properties).map(([key, value]) => [key, value.default]);
    expect(Object.fromEntries(contributed)).toEqual(typed);
    for (const property of Object.values<Record<string, unknown>>(properties)) {
      expect(property.scope).toBeTypeOf('string');
      expect(property.markdownDescription).toBeTypeOf('string');
    }
  });

  it('find the same configs', () => {
    const globs = [...ids.configGlobs];
    expect(contributes.jsonValidation[0].fileMatch).toEqual(globs);
    const [language] = contributes.languages;
    expect([...language.filenames, ...language.filenamePatterns]).toEqual(globs);
    for (const glob of globs) expect(manifest.activationEvents).toContain(`workspaceContains:**/${glob}`);
  });

  it('restore the same panel', () => {
    for (const panel of [ids.runPanelId, ids.comparePanelId])
      expect(manifest.activationEvents).toContain(`onWebviewPanel:${panel}`);
  });
});

describe('package.json', () => {
  it('uses in menus only its own commands, and in conditions only known views, items and keys', () => {
    const commands = new Set<string>(Object.values(ids.commandIds));
    const entries: Contribution[] = Object.values<Contribution[]>(contributes.menus).flat();
    expect(entries.length).toBeGreaterThan(0);
    const views = new Set<string>(Object.values(ids.viewIds));
    const items = Object.values(ids.itemContexts);
    for (const { command, when = '' } of entries) {
      expect(commands).toContain(command);
      for (const [, view] of when.matchAll(/view == (\S+)/g)) expect(views).toContain(view);
      for (const [, item] of when.matchAll(/viewItem == (\S+)/g)) expect(items).toContain(item);
      for (const [, pattern] of when.matchAll(/viewItem =~ \/(.*?)\/(?:\s|$)/g)) {
        expect(
          items.some((item) => new RegExp(pattern as string).test(item)),
          when,
        ).toBe(true);
      }
    }
    const ours = [...JSON.stringify(contributes.viewsWelcome).matchAll(/backcompat\.(\w+)/g)].map(([key]) => key);
    const known = new Set<string>([...views, ...Object.values(ids.contextKeys)]);
    for (const key of ours) expect(known).toContain(key);
  });

  it('has words for every string it names, and names every string', () => {
    const used = [...readFileSync(path.join(root, 'package.json'), 'utf8').matchAll(/"%(.+?)%"/g)].map(
      ([, key]) => key,
    );
    expect(new Set(used)).toEqual(new Set(Object.keys(strings)));
    for (const [, command] of Object.values(strings)
      .join('\n')
      .matchAll(/command:(backcompat\.\w+)/g)) {
      expect(Object.values(ids.commandIds)).toContain(command);
    }
  });

  it('does not start with the editor, and not every window', () => {
    expect(manifest.activationEvents).not.toContain('*');
    expect(manifest.activationEvents).not.toContain('onStartupFinished');
    expect(contributes.commands.every(({ category }: { category: string }) => category === 'Backcompat')).toBe(true);
  });

  it('points to files that exist', () => {
    for (const { icon } of contributes.viewsContainers.activitybar)
      expect(existsSync(path.join(root, icon))).toBe(true);
    for (const { url } of contributes.jsonValidation) expect(existsSync(path.join(root, url)), url).toBe(true);
    for (const { steps } of contributes.walkthroughs) {
      for (const { media } of steps) expect(existsSync(path.join(root, media.markdown)), media.markdown).toBe(true);
    }
  });

  it('asks for trust before it runs anything', () => {
    expect(manifest.capabilities.untrustedWorkspaces.supported).toBe('limited');
    expect(manifest.capabilities.untrustedWorkspaces.restrictedConfigurations).toEqual([ids.settings.nodePath.key]);
  });
});

describe('the problem matcher', () => {
  const { pattern } = contributes.problemMatchers[0];
  const expression = new RegExp(pattern.regexp);

  it.each([
    [
      '/w/backcompat.json:41:5: error: mAP is .412, below .500 [criterion.map]',
      '/w/backcompat.json',
      41,
      'criterion.map',
    ],
    [
      'C:\\w\\my.compat.json:3:12: warning: too few queries: 10 [classes.*.map.difference]',
      'C:\\w\\my.compat.json',
      3,
      'classes.*.map.difference',
    ],
    [
      'backcompat.json:7:1: error: rate is .3: over .2 [inequalities.positive.rate@0.01]',
      'backcompat.json',
      7,
      'inequalities.positive.rate@0.01',
    ],
  ])('reads %s', (line, file, row, code) => {
    const match = expression.exec(line);
    expect(match?.[pattern.file]).toBe(file);
    expect(Number(match?.[pattern.line])).toBe(row);
    expect(match?.[pattern.severity]).toMatch(/^(error|warning|info)$/);
    expect(match?.[pattern.code]).toBe(code);
  });

  it('leaves ordinary lines alone', () => {
    expect(expression.test('12:03:44 pair pass: 4,096 of 20,000')).toBe(false);
    expect(expression.test('error: The config does not exist [not-found]')).toBe(false);
  });
});

describe('the bundles of the extension host', () => {
  it.each([
    ['extension', 'src/extension.ts', ['vscode', './checkConfig.cjs']],
    ['checkConfig', 'src/core/config/checkConfig.ts', []],
  ])('hold and name no native module: %s', async (name, entry, known) => {
    const { metafile } = await buildBundle(name, { write: false, metafile: true });
    const inputs = Object.keys(metafile?.inputs ?? {});
    expect(inputs).toContain(entry);
    expect(
      inputs.filter((input) => /onnxruntime|node_modules\/(sharp|@img)|src\/core\/(engine|models)\//.test(input)),
    ).toEqual([]);
    const [output] = Object.values(metafile?.outputs ?? {}).filter(({ entryPoint }) => entryPoint !== undefined);
    const external = (output?.imports ?? []).filter((entry) => entry.external).map((entry) => entry.path);
    const ofNode = (name: string) => /^(node:)?[a-z_]+(\/promises)?$/.test(name) && name !== 'sharp';
    expect(known.filter((name) => !external.includes(name))).toEqual([]);
    expect(external.filter((name) => !known.includes(name) && !ofNode(name))).toEqual([]);
  });

  it('leave the check of configs, and zod with it, out of what is loaded at activation', async () => {
    const { metafile } = await buildBundle('extension', { write: false, metafile: true });
    expect(Object.keys(metafile?.inputs ?? {}).filter((input) => /zod|config\/(check|schema)/.test(input))).toEqual([]);
  });

  it('load nothing but themselves and what Node brings', async () => {
    const folder = mkdtempSync(path.join(os.tmpdir(), 'bundle-'));
    try {
      await buildBundle('extension', { outdir: folder, sourcemap: false });
      writeFileSync(path.join(folder, 'backcompat.json'), '{}');
      const script = `
        const Module = require('node:module');
        const vscode = require(${JSON.stringify(path.join(root, 'test/fixtures/vscodeStandIn.cjs'))});
        const load = Module._load;
        const loaded = [];
        Module._load = (name, ...rest) => {
          if (name === 'vscode') return vscode;
          if (!Module.isBuiltin(name)) loaded.push(name);
          return load(name, ...rest);
        };
        const { activate } = require(${JSON.stringify(path.join(folder, 'extension.cjs'))});
        const workspaceState = { get: (key, value) => value };
        activate({ subscriptions: [], extensionPath: '', workspaceState }).then(() => {
          console.log(JSON.stringify(loaded.slice(1)));
          process.exit();
        });`;
      const env = { ...process.env, STAND_IN_WORKSPACE: folder };
      const output = execFileSync(process.execPath, ['-e', script], { encoding: 'utf8', env });
      expect(JSON.parse(output)).toEqual([]);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

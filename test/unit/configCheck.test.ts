import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { schemaText } from '../../scripts/schemas.mjs';
import { checkConfig, positionOf } from '../../src/core/config/checkConfig.ts';
import { closest, editDistance } from '../../src/core/config/closest.ts';
import {
  datasetDefinition,
  findConfigs,
  findPairs,
  loadConfig,
  resolveProtocol,
} from '../../src/core/config/loadConfig.ts';
import { defaultProtocol } from '../../src/core/contract/protocol.ts';
import { namedCheckpoint } from '../../src/core/pipeline/namedCheckpoint.ts';
import { errorOf, temporaryFolder } from '../fixtures/data/make.ts';

/** Every block and key of the documented config, with names that lead somewhere. */
const wholeConfig = `{
  // comments are allowed
  "$schema": "./backcompat.schema.json",
  "datasets": {
    "digits":   { "images": "data/digits",
                  "splits": { "train": 0.6, "gallery": 0.3, "query": 0.1 }, "seed": 0 },
    "products": { "manifest": "products.csv", "path": "file", "label": "sku", "split": "part", "slices": ["country"] },
    "mnist":    { "idx": { "images": "t10k-images.idx3-ubyte", "labels": "t10k-labels.idx1-ubyte" } },
    "titles":   { "text": "titles.jsonl", "field": "title", "label": "sku" },
    "gallery-items": { "items": "gallery.csv" }
  },
  "checkpoints": {
    "v1":     { "model": "models/v1.onnx", "output": "embedding",
                "preprocess": { "size": [32, 32], "channels": 1, "mean": [0.5], "std": [0.5] },
                "head": { "weights": "models/v1.head.safetensors", "classes": ["0", "1"], "kind": "nsoftmax", "scale": 20 } },
    "v2":     { "model": "models/v2.onnx" },
    "v3":     { "model": "models/v3.onnx" },
    "v2-independent": { "model": "models/i.onnx" },
    "layers": { "model": "models/tfjs/model.json" },
    "stored": { "vectors": ["export/v1-gallery.npy", "export/v1-queries.npy"], "labels": ["gallery.csv", "queries.csv"] }
  },
  "pairs": {
    "v1-v2": { "old": "v1", "new": "v2", "queries": "digits/query", "gallery": "digits/gallery",
               "paragon": "v2-independent", "dimensionRule": "slice" },
    "trained": { "old": "v1", "new": "v2-bct", "queries": "products/part-of-file", "gallery": "mnist" },
    "all":   { "versions": ["v1", "v2", "v3"], "queries": "digits/query", "gallery": "digits/gallery" }
  },
  "audit": { "distance": "cosine", "epsilons": [1e-6, 0.01, 0.05], "ks": [1, 5, 10], "seed": 0,
             "criterion": { "metric": "map", "margin": 0 }, "operatingFar": 0.01, "pairBudget": 4e9,
             "bootstrap": { "unit": "query", "resamples": 1000, "confidence": 0.95 } },
  "training": {
    "v2-bct": { "from": "builtin:convnet", "dimension": 32, "old": "v1", "data": "digits/train",
                "evaluate": { "queries": "digits/query", "gallery": "digits/gallery" },
                "method": "bct", "lambda": 1, "oldHead": "synthesised", "head": { "kind": "nsoftmax", "temperature": 0.05 },
                "epochs": 8, "batchSize": 64,
                "optimizer": { "name": "adamw", "learningRate": 0.003, "weightDecay": 0.0001, "schedule": "cosine" },
                "trainable": "all", "paragon": true, "seed": 0 }
  },
  "sessions": {
    "monthly": { "from": "builtin:convnet", "dimension": 32, "data": "digits/train", "queries": "digits/query",
                 "plan": { "setup": "general", "percent": 30, "heldBack": 0.2, "sessions": 5, "seed": 0 },
                 "methods": ["fine-tuning", "bct", "cvs", { "name": "cvs", "label": "cvs + ewc", "alpha": 10, "beta": 1, "form": "code", "ewc": 100 }, "joint"],
                 "buffer": 200, "epochs": 5 }
  },
  "gates": { "criterion.map": ["error", { "state": "within-margin" }], "classes.*.map.difference": "off",
             "retrieval.newOld.map": ["warn", { "min": 0.5, "bound": "lower" }] },
  "undecided": "report",
}`;

/** Problems as "line:column message", one a line. */
function problemsOf(text: string): string[] {
  return checkConfig(text).problems.map(({ line, column, message }) => `${line}:${column} ${message}`);
}

describe('checkConfig', () => {
  it('accepts every documented key', () => {
    expect(problemsOf(wholeConfig)).toEqual([]);
    expect(checkConfig(wholeConfig).config?.audit?.epsilons).toEqual([1e-6, 0.01, 0.05]);
    expect(checkConfig('{}').problems).toEqual([]);
  });

  it('says where the syntax breaks', () => {
    expect(problemsOf('{\n  "pairs": {\n')).toEqual(['3:1 Not valid JSON: a closing brace } is missing.']);
    expect(problemsOf('{ "audit": { "seed": 1 "ks": [1] } }')).toEqual([
      '1:24 Not valid JSON: a comma was expected here.',
    ]);
    expect(problemsOf('')).toHaveLength(1);
    expect(problemsOf('[]')).toEqual(['1:1 the config: expected an object, found [].']);
  });

  it('collects all problems, in the order of the text, with a suggestion for a misspelt key', () => {
    const text = `{
  "audits": { },
  "audit": { "distanc": "cosine", "distance": "cosin", "ks": [0] }
}`;
    const { config, problems } = checkConfig(text);
    expect(config).toBeNull();
    expect(problems.map(({ line, column, message, replacement }) => [line, column, message, replacement])).toEqual([
      [2, 3, 'the config has no key "audits".', '"audit"'],
      [3, 14, 'audit has no key "distanc".', '"distance"'],
      [3, 47, 'audit.distance: expected "cosine", "euclidean" or "dot", found "cosin".', '"cosine"'],
      [3, 63, 'audit.ks[0]: expected a whole number of at least 1, found 0.', null],
    ]);
    const [, second] = problems;
    expect(text.slice(second?.offset, (second?.offset ?? 0) + (second?.length ?? 0))).toBe('"distanc"');
  });

  it('tells only what is wrong with the alternative that was meant', () => {
    expect(problemsOf('{ "checkpoints": { "a": { "modle": "m.onnx" } } }')).toEqual([
      '1:27 checkpoints.a has no key "modle".',
    ]);
    expect(problemsOf('{ "checkpoints": { "a": { "labels": "a.csv" } } }')).toEqual([
      '1:20 checkpoints.a lacks the key "vectors": expected a string that is not empty or a list that is not empty.',
    ]);
    expect(
      problemsOf('{ "checkpoints": { "a": { "vectors": "a.npy", "labels": "a.csv", "preprocess": {} } } }'),
    ).toEqual(['1:66 checkpoints.a: the key "preprocess" does not go with the others.']);
    expect(problemsOf('{ "datasets": { "a": { } } }')).toEqual([
      '1:17 datasets.a: expected one of the keys "images", "idx", "items", "manifest" and "text", found {}.',
    ]);
    expect(problemsOf('{ "datasets": { "a": { "images": 3 } } }')).toEqual([
      '1:34 datasets.a.images: expected a string that is not empty, found 3.',
    ]);
    expect(problemsOf('{ "datasets": { "a": "folder" } }')[0]).toMatch(/^1:22 datasets\.a: expected an object/);
  });

  it('names what is missing at the key that lacks it', () => {
    expect(problemsOf('{\n "pairs": {\n  "p": { "old": "a" } } }').map((line) => line.split(': expected')[0])).toEqual([
      '3:3 pairs.p lacks the key "new"',
      '3:3 pairs.p lacks the key "gallery"',
    ]);
  });

  it('refuses names that lead nowhere, with the nearest one', () => {
    const text = wholeConfig
      .replace(
        '"old": "v1", "new": "v2", "queries": "digits/query"',
        '"old": "v11", "new": "v2", "queries": "digits/qurey"',
      )
      .replace('"gallery": "mnist"', '"gallery": "mnits"');
    expect(checkConfig(text).problems.map(({ message, replacement }) => [message.split(';')[0], replacement])).toEqual([
      ['pairs["v1-v2"].old: there is no checkpoint "v11"', '"v1"'],
      ['pairs["v1-v2"].queries: there is no part "digits/qurey"', '"digits/query"'],
      ['pairs.trained.gallery: there is no dataset "mnits"', '"mnist"'],
    ]);
  });

  it.each([
    [
      '{ "datasets": { "a": { "images": "x", "splits": { "b": 0.7, "c": 0.4 } } } }',
      'the shares sum to 1.1, more than 1',
    ],
    ['{ "checkpoints": { "a": { "vectors": ["x", "y"], "labels": "l" } } }', '2 files of vectors and 1 of labels'],
    [
      '{ "checkpoints": { "a": { "model": "x", "preprocess": { "channels": 3, "mean": [1, 2] } } } }',
      '2 numbers for 3 channels',
    ],
    [
      '{ "checkpoints": { "a": { "model": "x", "head": { "scale": 1, "temperature": 1 } } } }',
      'both "temperature" and "scale"',
    ],
    ['{ "audit": { "criterion": { "metric": "cmc@3" } } }', '"cmc@3" is not measured'],
    [
      '{ "audit": { "criterion": { "metric": "mapp" } } }',
      'expected "map", "map@r" or "rPrecision" or "cmc@k", found "mapp"',
    ],
    ['{ "audit": { "bootstrap": { "confidence": 95 } } }', 'expected a number above 0.5 and below 1, found 95'],
    ['{ "gates": { "criterion.map": ["error", {}] } }', 'sets no limit'],
    ['{ "gates": { "criterion.map": ["error"] } }', 'gates["criterion.map"]: expected'],
    [
      '{ "gates": { "criterion.map": ["fatal", { "min": 1 }] } }',
      '[0]: expected "error", "warn" or "off", found "fatal"',
    ],
    ['{ "gates": { "x": ["error", { "min": 2, "max": 1 }] } }', 'nothing can pass'],
    ['{ "gates": { "x": ["error", { "minimum": 2 }] } }', 'no key "minimum"'],
    ['{ "gates": { "x": ["error", { "state": "kept", "bound": "lower" }] } }', '"bound" goes with'],
    ['{ "datasets": { "a/b": { "images": "x" } } }', 'a name must not be empty or hold "/"'],
    ['{ "pairs": {}, "pairs": {} }', 'given twice'],
    ['{ "pairs": { "__proto__": {} } }', 'cannot be a name'],
    ['{ "undecided": "maybe" }', 'expected "report", "fail" or "pass", found "maybe"'],
  ])('%s', (text, words) => {
    const problems = problemsOf(text);
    expect(problems).toHaveLength(1);
    expect(problems[0]).toContain(words);
  });

  it('shows a long value only in part', () => {
    const [problem] = problemsOf(`{ "audit": "${'x'.repeat(10_000)}" }`);
    expect(problem?.length).toBeLessThan(200);
  });
});

describe('positions', () => {
  it('finds keys, elements and what encloses something missing', () => {
    const text = '{\n  "gates": {\n    "a.b": ["error", { "min": 1 }]\n  }\n}';
    expect(positionOf(text, ['gates', 'a.b'])).toEqual({ line: 3, column: 5 });
    expect(positionOf(text, ['gates', 'a.b', 1])).toEqual({ line: 3, column: 22 });
    expect(positionOf(text, ['gates', 'gone'])).toEqual({ line: 2, column: 3 });
    expect(positionOf(text, ['gone'])).toEqual({ line: 1, column: 1 });
  });
});

describe('loadConfig', () => {
  async function load(text: string) {
    const file = path.join(temporaryFolder(), 'backcompat.json');
    await writeFile(file, text);
    return loadConfig(file);
  }

  it('reads a file with a byte order mark and names its folder', async () => {
    const loaded = await load(`\uFEFF${wholeConfig}`);
    expect(loaded.folder).toBe(path.dirname(loaded.file));
    expect(findPairs(loaded, 'v1-v2')).toEqual([
      {
        name: 'v1-v2',
        old: 'v1',
        new: 'v2',
        paragon: 'v2-independent',
        versions: null,
        queries: 'digits/query',
        gallery: 'digits/gallery',
        dimensionRule: 'slice',
        adapter: null,
      },
    ]);
    expect(datasetDefinition(loaded, 'digits/query')).toMatchObject({ name: 'digits', part: 'query' });
    expect(datasetDefinition(loaded, 'mnist')).toMatchObject({ name: 'mnist', part: null });
    expect(await namedCheckpoint(loaded, 'v2')).toMatchObject({ name: 'v2', definition: { model: 'models/v2.onnx' } });
    const error = await errorOf(namedCheckpoint(loaded, 'v2-bct'));
    expect(error).toMatchObject({ code: 'bad-config', place: { line: 32 } });
    expect(error.remedy).toBe('Train it first: backcompat train backcompat.json --name v2-bct');
    expect(findPairs(loaded, 'all')).toMatchObject([
      { name: 'all', old: 'v1', new: 'v3', paragon: null, versions: ['v1', 'v2', 'v3'], dimensionRule: null },
    ]);
    const unknown = await errorOf(() => findPairs(loaded, 'v1-v3'));
    expect(unknown).toMatchObject({ code: 'usage', remedy: 'Did you mean "v1-v2"?' });
  });

  it('throws the first problem with file, line, column and the number of others', async () => {
    const error = await errorOf(load('{\n  "audits": {},\n  "undecided": 3\n}'));
    expect(error).toMatchObject({ code: 'bad-config', place: { line: 2, column: 3, field: 'audits' } });
    expect(error.message).toMatch(/backcompat\.json:2:3: the config has no key "audits"\.$/);
    expect(error.remedy).toBe('Did you mean "audit"? 1 more problem in this file.');
  });

  it('says that the file is missing', async () => {
    const error = await errorOf(loadConfig('/no/such/backcompat.json'));
    expect(error).toMatchObject({ code: 'not-found' });
    expect(error.message).toContain('/no/such/backcompat.json');
    expect((await errorOf(loadConfig(temporaryFolder()))).message).toContain('it is a folder');
  });

  it('refuses a config without pairs only when pairs are asked for', async () => {
    const loaded = await load('{ "datasets": {} }');
    expect((await errorOf(() => findPairs(loaded))).message).toContain('has no pairs');
  });

  it('finds configs, backcompat.json first', async () => {
    const folder = temporaryFolder();
    for (const name of ['b.compat.json', 'backcompat.json', 'a.compat.json', 'package.json', 'x.compat-report.json']) {
      await writeFile(path.join(folder, name), '{}');
    }
    expect((await findConfigs(folder)).map((file) => path.basename(file))).toEqual([
      'backcompat.json',
      'a.compat.json',
      'b.compat.json',
    ]);
  });
});

describe('resolveProtocol', () => {
  it('fills in the defaults', () => {
    expect(resolveProtocol(undefined)).toEqual(defaultProtocol);
    expect(resolveProtocol({}, { dimensionRule: 'pad', adapter: 'mlp' })).toEqual({
      ...defaultProtocol,
      dimensionRule: 'pad',
      adapter: 'mlp',
    });
    const resolved = resolveProtocol({ seed: 7, criterion: { metric: 'cmc@5' }, bootstrap: { resamples: 200 } });
    expect(resolved).toEqual({
      ...defaultProtocol,
      seed: 7,
      criterionMetric: 'cmc@5',
      bootstrap: { ...defaultProtocol.bootstrap, resamples: 200 },
    });
  });
});

describe('suggestions', () => {
  it('counts edits', () => {
    expect(editDistance('kitten', 'sitting')).toBe(3);
    expect(editDistance('', 'abc')).toBe(3);
    expect(editDistance('same', 'same')).toBe(0);
  });

  it('suggests only what is near', () => {
    expect(closest('qurey', ['query', 'gallery'])).toBe('query');
    expect(closest('Query', ['query'])).toBe('query');
    expect(closest('a', ['b'])).toBeNull();
    expect(closest('completely', ['different'])).toBeNull();
  });
});

describe('the shipped JSON Schema', () => {
  it('is what the definitions generate', async () => {
    const shipped = await readFile(new URL('../../media/schemas/backcompat.schema.json', import.meta.url), 'utf8');
    expect(shipped).toBe(await schemaText());
  });

  it('has a hover text for every key of the config', async () => {
    const bare: string[] = [];
    const visit = (node: unknown, where: string): void => {
      if (typeof node !== 'object' || node === null) return;
      const { properties } = node as { properties?: Record<string, { markdownDescription?: string }> };
      for (const [name, property] of Object.entries(properties ?? {})) {
        if (!property.markdownDescription) bare.push(`${where}.${name}`);
      }
      for (const [name, child] of Object.entries(node)) visit(child, `${where}.${name}`);
    };
    visit(JSON.parse(await schemaText()), '');
    expect(bare).toEqual([]);
  });
});

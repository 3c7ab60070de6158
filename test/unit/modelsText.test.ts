import { cp, mkdir, readdir, rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import type { ModelCheckpointDefinition } from '../../src/core/config/schema.ts';
import { loadDataset } from '../../src/core/data/loadDataset.ts';
import { GraphBuilder } from '../../src/core/engine/graph.ts';
import type { Signature } from '../../src/core/engine/session.ts';
import { embed, openCheckpoint } from '../../src/core/models/checkpoint.ts';
import type { ModelCheckpoint } from '../../src/core/models/modelCheckpoint.ts';
import { resolveTextModel, takesTexts } from '../../src/core/models/textModel.ts';
import { openTokenizer } from '../../src/core/models/tokenizer.ts';
import { errorOf, onnxModel, recordProgress, temporaryFolder } from '../fixtures/data/make.ts';
import { largestDifference, modelFixture, readFixture } from './modelFixtures.ts';

interface Expected {
  texts: string[];
  tokens: number[];
  mean: number[][];
  cls: number[][];
}

const expected = readFixture<Expected>('bert', 'expected.json');

type Definition = Partial<ModelCheckpointDefinition>;

const open = async (folder: string, definition: Definition = {}): Promise<ModelCheckpoint> =>
  (await openCheckpoint('v1', { model: 'onnx/model.onnx', ...definition }, folder, { threads: 1 })) as ModelCheckpoint;

async function textItems(texts: readonly string[] = expected.texts) {
  const folder = temporaryFolder();
  const rows = texts.map((title, row) => JSON.stringify({ id: `t${row}`, title, sku: `s${row % 2}`, lang: 'en' }));
  await writeFile(path.join(folder, 't.jsonl'), `${rows.join('\n')}\n`);
  return loadDataset({ text: 't.jsonl', field: 'title', label: 'sku', slices: ['lang'] }, 'titles', folder);
}

async function vectorsOf(
  checkpoint: ModelCheckpoint,
  items: Awaited<ReturnType<typeof textItems>>,
  batchSize?: number,
) {
  const options = { cacheFolder: path.join(temporaryFolder(), 'cache'), progress: recordProgress(), batchSize };
  const source = await embed(checkpoint, items, options);
  const values = new Float32Array(source.count * source.dimension);
  await source.read(0, source.count, values);
  await source.close();
  return values;
}

async function copiedModel(): Promise<string> {
  const folder = temporaryFolder();
  await cp(modelFixture('bert'), folder, { recursive: true });
  return folder;
}

describe('a text model of transformers', () => {
  it('gives the mean of its token vectors as PyTorch does, to 1e-4, whatever the batch', async () => {
    const checkpoint = await open(modelFixture('bert'));
    expect(checkpoint).toMatchObject({ kind: 'onnx', dimension: 32 });
    expect(checkpoint.notes).toHaveLength(3);
    expect(checkpoint.notes[0]).toMatch(/^Texts are cut into tokens as .*tokenizer\.json says\.$/);
    expect(checkpoint.notes[1]).toBe('Texts are cut after 24 tokens (as tokenizer_config.json says).');
    expect(checkpoint.notes[2]).toMatch(/^Vectors of tokens become one \(mean\) as .*config\.json says\.$/);
    const items = await textItems();
    for (const batchSize of [1, 5, undefined]) {
      expect(largestDifference(await vectorsOf(checkpoint, items, batchSize), expected.mean)).toBeLessThan(1e-4);
    }
    await checkpoint.close();
  });

  it('takes the first vector where the config asks for it', async () => {
    const checkpoint = await open(modelFixture('bert'), { pooling: 'cls' });
    expect(largestDifference(await vectorsOf(checkpoint, await textItems()), expected.cls)).toBeLessThan(1e-4);
    const hash = await checkpoint.contentHash();
    await checkpoint.close();
    const mean = await open(modelFixture('bert'));
    expect(await mean.contentHash()).not.toBe(hash);
    await mean.close();
  });

  it('brings vectors to length 1 when modules.json says so, and refuses steps that it does not know', async () => {
    const folder = await copiedModel();
    const steps = (names: string[]) =>
      writeFile(
        path.join(folder, 'modules.json'),
        JSON.stringify(names.map((name) => ({ type: `sentence_transformers.models.${name}` }))),
      );
    await steps(['Transformer', 'Pooling', 'Normalize']);
    const checkpoint = await open(folder);
    const unit = expected.mean.map((row) => row.map((value) => value / Math.hypot(...row)));
    expect(largestDifference(await vectorsOf(checkpoint, await textItems()), unit)).toBeLessThan(1e-4);
    await checkpoint.close();
    await steps(['Transformer', 'Pooling', 'Dense']);
    expect((await errorOf(open(folder))).message).toContain('names the step "Dense", which is not supported');
    await rm(path.join(folder, 'modules.json'));
    await writeFile(path.join(folder, '1_Pooling/config.json'), '{"pooling_mode_lasttoken": true}');
    expect((await errorOf(open(folder))).message).toContain('asks for pooling_mode_lasttoken; mean and cls are');
    await rm(path.join(folder, '1_Pooling'), { recursive: true });
    const assumed = await open(folder);
    expect(assumed.notes.join('\n')).toContain('Vectors of tokens are averaged: neither');
    await assumed.close();
  });

  it('cuts after maxTokens, and tells texts apart in the cache', async () => {
    const items = await textItems();
    const cacheFolder = path.join(temporaryFolder(), 'cache');
    const use = async (definition: Definition, set: typeof items) => {
      const checkpoint = await open(modelFixture('bert'), definition);
      await (await embed(checkpoint, set, { cacheFolder, progress: recordProgress() })).close();
      await checkpoint.close();
      return (await readdir(cacheFolder)).length;
    };
    expect(await use({}, items)).toBe(1);
    expect(await use({}, await textItems())).toBe(1);
    expect(await use({ maxTokens: 8 }, items)).toBe(2);
    expect(await use({}, await textItems([...expected.texts.slice(1), 'another']))).toBe(3);
    // The model has 40 positions.
    const error = await errorOf(open(modelFixture('bert'), { maxTokens: 64 }));
    expect(error).toMatchObject({ code: 'bad-model', remedy: expect.stringContaining('"maxTokens"') });
    expect(error.message).toContain('fails on 8 texts of 64 tokens');
  });

  it('says what is missing', async () => {
    const folder = await copiedModel();
    await rename(path.join(folder, 'tokenizer.json'), path.join(folder, 'other.json'));
    const error = await errorOf(open(folder));
    expect(error).toMatchObject({ code: 'not-found' });
    expect(error.message).toContain('is a text model, and no tokenizer.json lies beside it or above');
    const named = await open(folder, { tokenizer: 'other.json' });
    expect(largestDifference(await vectorsOf(named, await textItems()), expected.mean)).toBeLessThan(1e-4);
    await writeFile(path.join(folder, 'g.csv'), 'label\na\nb\n');
    const stored = await loadDataset({ items: 'g.csv' }, 'stored', folder);
    const wrong = await errorOf(embed(named, stored, { cacheFolder: folder, progress: recordProgress() }));
    expect(wrong.message).toBe('stored has no texts, so the model "v1" cannot embed it.');
    await named.close();
    await writeFile(path.join(folder, 'i.onnx'), onnxModel());
    const images = (await open(folder, { model: 'i.onnx' })) as ModelCheckpoint;
    const texts = await errorOf(embed(images, await textItems(), { cacheFolder: folder, progress: recordProgress() }));
    expect(texts.message).toBe('titles has no images, so the model "v1" cannot embed it.');
    await images.close();
    for (const broken of ['{', '[]', '{}', '{"model":{"type":"WordPiece","vocab":3}}']) {
      await writeFile(path.join(folder, 'other.json'), broken);
      const bad = await errorOf(open(folder, { tokenizer: 'other.json' }));
      expect(bad).toMatchObject({ code: 'bad-file' });
      expect(bad.message).toContain('other.json');
    }
  });
});

/** Embedding of two numbers a token: (id, 1); `sum` adds those under the mask. */
function tinyTextModel(options: { batch?: number; tokens?: number; outputs: ('tokens' | 'sum')[] }): Uint8Array {
  const { batch = 'batch', tokens = 'tokens', outputs } = options;
  const graph = new GraphBuilder('text');
  const ids = graph.input('input_ids', 'int64', [batch, tokens]);
  const mask = graph.input('attention_mask', 'int64', [batch, tokens]);
  const value = graph.node('Unsqueeze', [graph.node('Cast', [ids], { to: 1 }), graph.int64s([2])]);
  const counted = graph.node('Unsqueeze', [graph.node('Cast', [mask], { to: 1 }), graph.int64s([2])]);
  const both = graph.node(
    'Concat',
    [value, graph.node('Add', [counted, graph.node('Sub', [graph.scalar(1), counted])])],
    {
      axis: 2,
    },
  );
  for (const output of outputs) {
    if (output === 'tokens') graph.output('last_hidden_state', both, 'float32', [batch, tokens, 2]);
    else {
      const sum = graph.node('ReduceSum', [graph.node('Mul', [both, counted]), graph.int64s([1])], { keepdims: 0 });
      graph.output('sentence_embedding', sum, 'float32', [batch, 2]);
    }
  }
  return graph.build();
}

describe('text models by hand', () => {
  async function folderWith(model: Uint8Array): Promise<string> {
    const folder = await copiedModel();
    await mkdir(path.join(folder, 'onnx'), { recursive: true });
    await writeFile(path.join(folder, 'onnx/model.onnx'), model);
    return folder;
  }
  const texts = ['x', 'a red bicycle', 'red red'];

  it.each([
    ['any size', {}],
    ['a fixed batch', { batch: 2 }],
    ['a fixed length', { tokens: 9 }],
  ])('averages over the mask, padding left out: %s', async (_, sizes) => {
    const folder = await folderWith(tinyTextModel({ ...sizes, outputs: ['tokens'] }));
    const checkpoint = await open(folder);
    const vectors = await vectorsOf(checkpoint, await textItems(texts));
    const tokenizer = await openTokenizer({ model: path.join(folder, 'onnx/model.onnx'), fixedTokens: null });
    const byHand = texts.map((text) => {
      const ids = Array.from(tokenizer.encode(text));
      return [ids.reduce((sum, id) => sum + id, 0) / ids.length, 1];
    });
    expect(largestDifference(vectors, byHand)).toBeLessThan(1e-4);
    await checkpoint.close();
  });

  it('takes a finished vector as it is, and the finished one of several', async () => {
    for (const outputs of [['sum'], ['tokens', 'sum']] as const) {
      const folder = await folderWith(tinyTextModel({ outputs: [...outputs] }));
      const checkpoint = await open(folder);
      const vectors = await vectorsOf(checkpoint, await textItems(['x', 'a red bicycle']));
      // The number of tokens: x between two special ones.
      expect(vectors[1]).toBe(3);
      expect(checkpoint.notes.some((note) => note.includes('"sentence_embedding" is taken'))).toBe(outputs.length > 1);
      await checkpoint.close();
    }
  });
});

describe('resolveTextModel', () => {
  const ids: Signature = { name: 'input_ids', type: 'int64', shape: ['b', 't'] };
  const mask: Signature = { name: 'attention_mask', type: 'int64', shape: ['b', 't'] };
  const hidden: Signature = { name: 'last_hidden_state', type: 'float32', shape: ['b', 't', 32] };
  const pooler: Signature = { name: 'pooler_output', type: 'float32', shape: ['b', 32] };
  const choice = { file: 'm.onnx', pooling: null };

  it('lists the outputs when the hidden state and the pooler could be meant, unless a pooling is said', async () => {
    const error = await errorOf(() => resolveTextModel([ids, mask], [hidden, pooler], choice));
    expect(error.message).toContain(
      'several outputs could be the embedding: last_hidden_state: float32 [b, t, 32]; pooler_output: float32 [b, 32]',
    );
    expect(error.remedy).toContain('"output": "last_hidden_state"');
    const pooled = resolveTextModel([ids, mask], [hidden, pooler], { ...choice, pooling: 'cls' });
    expect(pooled).toMatchObject({ output: 'last_hidden_state', pooling: 'cls', ids: 'input_ids', types: null });
    const named = resolveTextModel([ids, mask], [hidden, pooler], { ...choice, output: 'pooler_output' });
    expect(named).toMatchObject({ output: 'pooler_output', pooling: null });
  });

  it('refuses inputs that it cannot give', async () => {
    const past: Signature = { name: 'past_key_values.0.key', type: 'float32', shape: ['b', 2, 't', 8] };
    expect((await errorOf(() => resolveTextModel([ids, past], [hidden], choice))).message).toContain('past_key_values');
    const wide: Signature = { ...ids, shape: ['b', 't', 2] };
    expect((await errorOf(() => resolveTextModel([wide], [hidden], choice))).message).toContain('[batch, tokens]');
    const map: Signature = { name: 'map', type: 'float32', shape: ['b', 2, 3, 4] };
    expect((await errorOf(() => resolveTextModel([ids], [map], choice))).message).toContain('none of the outputs');
  });

  it('knows text models by their inputs', () => {
    expect(takesTexts([ids, mask])).toBe(true);
    expect(takesTexts([{ name: 'serving_default_input_word_ids:0', type: 'int32', shape: [null, null] }])).toBe(true);
    expect(takesTexts([{ name: 'image', type: 'float32', shape: ['b', 3, 8, 8] }])).toBe(false);
  });
});

describe('tokenizers', () => {
  type Ids = { whole: number[][]; cut: number[][] };
  const reference = readFixture<{ texts: string[]; maxTokens: number } & Record<string, Ids>>(
    'tokenizers',
    'expected.json',
  );

  it.each(['wordpiece', 'bpe', 'unigram'])('%s: the ids of the original library, whole and cut', async (kind) => {
    const choice = { model: 'm.onnx', tokenizer: modelFixture('tokenizers', `${kind}.json`), fixedTokens: null };
    const whole = await openTokenizer({ ...choice, maxTokens: 512 });
    const cut = await openTokenizer({ ...choice, maxTokens: reference.maxTokens });
    const { texts } = reference;
    expect(texts.map((text) => [...whole.encode(text)])).toEqual((reference[kind] as Ids).whole);
    expect(texts.map((text) => [...cut.encode(text)])).toEqual((reference[kind] as Ids).cut);
  });

  it('cuts at 512 unless somebody says otherwise', async () => {
    const tokenizer = modelFixture('tokenizers', 'wordpiece.json');
    const usual = await openTokenizer({ model: 'm.onnx', tokenizer, fixedTokens: null });
    expect(usual.maxTokens).toBe(512);
    expect(usual.encode('word '.repeat(1000))).toHaveLength(512);
    expect((await openTokenizer({ model: 'm.onnx', tokenizer, fixedTokens: 12 })).maxTokens).toBe(12);
    const none = await errorOf(openTokenizer({ model: 'm.onnx', tokenizer, fixedTokens: null, maxTokens: 2 }));
    expect(none.message).toContain('puts 2 special tokens around a text, and at most 2 are taken');
  });
});

describe('text tables', () => {
  it('read ids, labels, slices and parts', async () => {
    const folder = temporaryFolder();
    await writeFile(path.join(folder, 't.csv'), 'text,label,part,lang\n"red, shoe",a,query,en\nblue,b,gallery,de\n');
    const items = await loadDataset({ text: 't.csv', split: 'part' }, 'titles', folder);
    expect(items).toMatchObject({ count: 2, ids: ['titles/0', 'titles/1'], images: null, classNames: ['a', 'b'] });
    expect(items.texts?.text(0)).toBe('red, shoe');
    expect([...items.slices.keys()]).toEqual(['lang']);
    expect(items.parts).toEqual(['query', 'gallery']);
  });

  it('refuse an empty text, and a field that is not there', async () => {
    const folder = temporaryFolder();
    await writeFile(path.join(folder, 't.csv'), 'text,label\nred,a\n  ,b\n');
    const empty = await errorOf(loadDataset({ text: 't.csv' }, 'titles', folder));
    expect(empty).toMatchObject({ code: 'bad-data', place: { row: 2, field: 'text' } });
    const missing = await errorOf(loadDataset({ text: 't.csv', field: 'titel' }, 'titles', folder));
    expect(missing.message).toContain('has no column "titel"');
  });
});

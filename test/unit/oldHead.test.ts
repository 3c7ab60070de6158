import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import type { BackcompatError } from '../../src/core/contract/errors.ts';
import { writeNpy } from '../../src/core/data/npy.ts';
import { readSafetensors, writeSafetensors } from '../../src/core/data/safetensors.ts';
import { vectorsInMemory } from '../../src/core/data/vectorSource.ts';
import type { FoundClassifier } from '../../src/core/models/trainable/foundClassifier.ts';
import { type Head, headForm } from '../../src/core/training/heads/head.ts';
import { readHead, writeHead } from '../../src/core/training/heads/headFile.ts';
import { type OldHeadRequest, resolveOldHead } from '../../src/core/training/heads/oldHead.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'old-head-'));
afterAll(() => rmSync(folder, { recursive: true }));

const head: Head = {
  ...headForm('cosface', { scale: 16, margin: 0.25 }),
  classNames: ['cat', 'dög "x"\n'],
  dimension: 3,
  rows: Float32Array.of(1, 2, 3, 4, 5, 6),
  bias: null,
};

async function errorOf(promise: Promise<unknown>): Promise<BackcompatError> {
  return promise.then(
    () => expect.fail('nothing was refused'),
    (error: unknown) => error as BackcompatError,
  );
}

describe('head files', () => {
  it('come back as they were written, with and without bias', async () => {
    const file = path.join(folder, 'own.safetensors');
    for (const one of [head, { ...head, ...headForm('linear'), bias: Float32Array.of(0.5, -1) }]) {
      await writeHead(file, one);
      expect(await readHead(file)).toEqual(one);
    }
  });

  it('are safetensors as others read them: values at multiples of 8 bytes', async () => {
    const file = path.join(folder, 'layout.safetensors');
    await writeHead(file, head);
    const { tensors, metadata } = await readSafetensors(file);
    expect(tensors).toEqual([expect.objectContaining({ name: 'weight', dtype: 'F32', shape: [2, 3] })]);
    expect((tensors[0]?.offset ?? 1) % 8).toBe(0);
    expect(metadata).toMatchObject({ format: 'backcompat.head', kind: 'cosface', scale: '16', margin: '0.25' });
  });

  it('refuse what is damaged, later, or of another origin', async () => {
    const file = path.join(folder, 'other.safetensors');
    const weight = { weight: { shape: [2, 3], data: head.rows } };
    await writeSafetensors(file, weight, {});
    expect((await errorOf(readHead(file))).message).toMatch(/is not a head that a training run has written/);
    const metadata = { format: 'backcompat.head', formatVersion: '1', kind: 'linear', scale: '1', margin: '0' };
    await writeSafetensors(file, weight, { ...metadata, formatVersion: '2' });
    expect((await errorOf(readHead(file))).message).toMatch(/is a head of version 2; version 1 is read/);
    await writeSafetensors(file, weight, metadata);
    expect((await errorOf(readHead(file))).message).toMatch(/class names are missing/);
    await writeSafetensors(file, weight, { ...metadata, classes: '["a"]' });
    expect((await errorOf(readHead(file))).message).toMatch(/rows are \[2, 3\] for 1 classes/);
    await writeSafetensors(file, weight, { ...metadata, classes: '["a","b"]', kind: 'soft' });
    expect((await errorOf(readHead(file))).message).toMatch(/no known kind \("soft"\)/);
    const broken = { weight: { shape: [2, 3], data: Float32Array.of(1, 2, 3, Number.NaN, 5, 6) } };
    await writeSafetensors(file, broken, { ...metadata, classes: '["a","b"]' });
    expect((await errorOf(readHead(file))).message).toMatch(/NaN or infinite/);
    writeFileSync(file, 'x');
    expect(await errorOf(readHead(file))).toMatchObject({ code: 'bad-file' });
    expect(await errorOf(readHead(path.join(folder, 'none.safetensors')))).toMatchObject({ code: 'not-found' });
  });
});

/** Two classes around the axes, of length 2 (not normalised) unless said. */
function request(given: Partial<OldHeadRequest> & { head?: object; length?: number }): OldHeadRequest {
  const { head: said, length = 2, ...rest } = given;
  const values = Float32Array.of(length, 0, 0, 0, length, 0, 0, 0.6 * length, 0.8 * length);
  return {
    choice: 'checkpoint',
    checkpoint: { name: 'v1', definition: { model: 'v1.onnx', ...(said ? { head: said } : {}) }, folder },
    output: 'embedding',
    vectors: vectorsInMemory('v1 on items', values, 3),
    labelOf: Int32Array.of(0, 1, 1),
    classNames: ['cat', 'dog'],
    findClassifier: null,
    newHead: headForm('nsoftmax'),
    cacheFolder: path.join(folder, 'cache'),
    ...rest,
  };
}

const npy = async (name: string, values: number[], dimension: number) => {
  await writeNpy(path.join(folder, name), vectorsInMemory(name, Float32Array.from(values), dimension));
  return name;
};

describe('a synthesised head', () => {
  it('has a row a class: the mean of its normalised vectors, not renormalised', async () => {
    const old = await resolveOldHead(request({ choice: 'synthesised', classNames: ['cat', 'dog', 'emu'] }));
    expect(old.origin).toBe('synthesised');
    expect(old.head).toMatchObject({ kind: 'nsoftmax', scale: 20, unitVectors: true, unitRows: false, bias: null });
    expect(old.head.classNames).toEqual(['cat', 'dog']);
    [1, 0, 0, 0, 0.8, 0.4].forEach((value, k) => {
      expect(old.head.rows[k]).toBeCloseTo(value, 6);
    });
    expect([...old.rowOf]).toEqual([0, 1, -1]);
  });

  it('takes over the scale of a cosine head, comes from tables too, and needs labels', async () => {
    const definition = { vectors: 'v1.npy' };
    const table = { name: 'v1', definition, folder };
    const old = await resolveOldHead(
      request({ choice: 'synthesised', checkpoint: table, output: null, newHead: headForm('arcface') }),
    );
    expect(old.head.scale).toBe(30);
    const none = request({ choice: 'synthesised', labelOf: Int32Array.of(-1, -1, -1) });
    expect(await errorOf(resolveOldHead(none))).toMatchObject({
      code: 'bad-data',
      remedy: expect.stringContaining('"distilled"'),
    });
  });
});

describe('a checkpoint’s own head', () => {
  it('is matched by class name, never by position, and says the overlap', async () => {
    const file = path.join(folder, 'named.safetensors');
    await writeHead(file, { ...head, classNames: ['dog', 'fox'] });
    const old = await resolveOldHead(request({ head: { weights: file } }));
    expect([...old.rowOf]).toEqual([-1, 0]);
    expect(old).toMatchObject({ origin: 'own', known: 1, head: { kind: 'cosface', scale: 16, margin: 0.25 } });
    expect(old.notes).toEqual([
      'The old head knows 1 of the 2 classes of the training items ("dog"); it binds no item of the other 1.',
    ]);
    // What the config says counts more than the file.
    const renamed = await resolveOldHead(request({ head: { weights: file, classes: ['cat', 'dog'], scale: 8 } }));
    expect(renamed).toMatchObject({ known: 2, head: { scale: 8, kind: 'cosface', margin: 0.25 } });
  });

  it('without a class in common is an error with both lists', async () => {
    const file = path.join(folder, 'named.safetensors');
    await writeHead(file, { ...head, classNames: ['fox', 'owl'] });
    expect(await errorOf(resolveOldHead(request({ head: { weights: file } })))).toMatchObject({
      code: 'bad-data',
      message: expect.stringMatching(/knows none of the classes .* it has "fox" and "owl", the items "cat" and "dog"/),
    });
  });

  it('of another width than the embedding is an error naming both', async () => {
    const weights = await npy('wide.npy', [1, 2, 3, 4, 5, 6, 7, 8], 4);
    expect(await errorOf(resolveOldHead(request({ head: { weights, classes: ['cat', 'dog'] } })))).toMatchObject({
      code: 'bad-data',
      message: expect.stringMatching(/rows of 4 components, the embedding has 3/),
    });
  });

  it('of plain rows is linear; whether vectors are normalised is looked at', async () => {
    const weights = await npy('plain.npy', [1, 2, 3, 4, 5, 6], 3);
    const said = { weights, classes: ['cat', 'dog'] };
    const raw = await resolveOldHead(request({ head: said }));
    expect(raw.head).toMatchObject({ kind: 'linear', scale: 1, unitVectors: false, unitRows: false });
    expect((await resolveOldHead(request({ head: said, length: 1 }))).head.unitVectors).toBe(true);
    expect((await resolveOldHead(request({ head: { ...said, normalised: true } }))).head.unitVectors).toBe(true);
  });

  it('of unit rows is a cosine head, whose scale is asked for', async () => {
    const weights = await npy('unit.npy', [1, 0, 0, 0, 0.6, 0.8], 3);
    const said = { weights, classes: ['cat', 'dog'] };
    expect(await errorOf(resolveOldHead(request({ head: said })))).toMatchObject({
      code: 'bad-config',
      message: expect.stringMatching(
        /is a cosine classifier \(its rows have length 1 and no bias\), and nothing says its scale/,
      ),
      remedy: expect.stringMatching(/"checkpoints\.v1\.head" the "scale"/),
    });
    const old = await resolveOldHead(request({ head: { ...said, temperature: 0.1 } }));
    expect(old.head).toMatchObject({ kind: 'nsoftmax', scale: 10, unitVectors: true, unitRows: true });
    expect((await resolveOldHead(request({ head: { ...said, kind: 'linear' } }))).head.kind).toBe('linear');
  });

  it('takes integer labels for rows, and refuses those beyond it and names without rows', async () => {
    const weights = await npy('numbers.npy', [1, 2, 3, 4, 5, 6], 3);
    const old = await resolveOldHead(request({ head: { weights }, classNames: ['1', '0'] }));
    expect([...old.rowOf]).toEqual([1, 0]);
    expect(await errorOf(resolveOldHead(request({ head: { weights }, classNames: ['0', '7'] })))).toMatchObject({
      code: 'bad-data',
      message: expect.stringMatching(/labels go up to 7, the head in .*numbers\.npy has 2 rows/),
    });
    expect((await errorOf(resolveOldHead(request({ head: { weights } })))).message).toMatch(
      /Nothing says which classes the 2 rows/,
    );
    const three = { weights, classes: ['cat', 'dog', 'emu'] };
    expect((await errorOf(resolveOldHead(request({ head: three })))).message).toMatch(/has 2 rows .* names 3/);
  });

  it('is read from npz and safetensors of others with its bias, and turned where a column is a class', async () => {
    const file = path.join(folder, 'torch.safetensors');
    await writeSafetensors(
      file,
      {
        'fc.weight': { shape: [2, 3], data: Float32Array.of(1, 2, 3, 4, 5, 6) },
        'fc.bias': { shape: [2], data: Float32Array.of(0.5, -1) },
      },
      { format: 'pt' },
    );
    const old = await resolveOldHead(request({ head: { weights: file, classes: ['cat', 'dog'] } }));
    expect(old.head.bias).toEqual(Float32Array.of(0.5, -1));
    // Written by bench/reference/makeObjectiveFixtures.py, packed, the bias in double.
    const npz = fileURLToPath(new URL('../fixtures/training/head.npz', import.meta.url));
    const packed = await resolveOldHead(request({ head: { weights: npz, classes: ['cat', 'dog'] } }));
    expect(packed.head).toEqual(old.head);
    const weights = await npy('columns.npy', [1, 4, 2, 5, 3, 6], 2);
    const turned = await resolveOldHead(request({ head: { weights, classes: ['cat', 'dog'] } }));
    expect([...turned.head.rows]).toEqual([1, 2, 3, 4, 5, 6]);
    expect(turned.notes.join(' ')).toMatch(/a column a class/);
    expect(await errorOf(resolveOldHead(request({ head: { weights: 'gone.npy' } })))).toMatchObject({
      code: 'not-found',
      message: expect.stringMatching(/^The head .*gone\.npy does not exist/),
    });
  });

  it('is found in the model file, or its absence is said', async () => {
    const found: FoundClassifier = {
      name: 'fc/Gemm',
      classes: 2,
      dimension: 3,
      rows: Float32Array.of(1, 2, 3, 4, 5, 6),
      bias: Float32Array.of(1, 2),
      unitVectors: true,
      scale: 12,
    };
    const asked: string[][] = [];
    const findClassifier = async (...args: [string, string]) => {
      asked.push(args);
      return found;
    };
    const old = await resolveOldHead(request({ findClassifier, head: { classes: ['cat', 'dog'] } }));
    expect(asked).toEqual([[path.join(folder, 'v1.onnx'), 'embedding']]);
    expect(old.head).toMatchObject({ kind: 'linear', scale: 12, unitVectors: true, bias: Float32Array.of(1, 2) });
    expect(old.notes[0]).toMatch(/^The old head is fc\/Gemm in .*v1\.onnx: 2 classes\.$/);
    const before = { ...found, unitVectors: false };
    const reads = request({ findClassifier: async () => before, head: { classes: ['cat', 'dog'] }, length: 1 });
    expect((await resolveOldHead(reads)).notes.join(' ')).toMatch(/reads vectors before they are normalised/);
    const none = await errorOf(resolveOldHead(request({ findClassifier: async () => null })));
    expect(none).toMatchObject({ code: 'bad-config', remedy: expect.stringContaining('"oldHead": "synthesised"') });
    expect(none.message).toMatch(/names no head, and behind the embedding in v1\.onnx is no classifier/);
    const table = { name: 'v1', definition: { vectors: 'v1.npy' }, folder };
    expect((await errorOf(resolveOldHead(request({ checkpoint: table, output: null })))).message).toMatch(
      /is a table of vectors and names no head/,
    );
  });
});

describe('a teacher', () => {
  it('is the own head, which then needs no names, or a synthesised one', async () => {
    const weights = await npy('teacher.npy', [1, 2, 3, 4, 5, 6], 3);
    const own = await resolveOldHead(
      request({ choice: 'distilled', head: { weights }, labelOf: new Int32Array(3).fill(-1) }),
    );
    expect(own.origin).toBe('own');
    expect((await resolveOldHead(request({ choice: 'distilled' }))).origin).toBe('synthesised');
    const neither = request({ choice: 'distilled', labelOf: new Int32Array(3).fill(-1) });
    expect((await errorOf(resolveOldHead(neither))).remedy).toMatch(/or label the items/);
  });
});

import './withoutNativeTfjs.ts';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { tfjsRuntime } from '../../src/core/engine/tfjsRuntime.ts';
import { tfjsStatus } from '../../src/core/engine/tfjsStatus.ts';
import { inspect } from '../../src/core/models/inspect.ts';
import { largestDifference, modelFixture } from './modelFixtures.ts';
import { editedTfjs, openTfjs, tfjsExpected, tfjsFixtures, tfjsVectors } from './tfjsFixtures.ts';

describe('models of TensorFlow.js without the native runtime', () => {
  it.each([
    ['layers', tfjsExpected.vectors],
    ['graph', tfjsExpected.vectors],
    ['layersQuantised', tfjsExpected.quantised],
  ])('%s gives the vectors of TensorFlow to 1e-4', async (name, reference) => {
    const { core } = await tfjsRuntime();
    const checkpoint = await openTfjs(path.join(tfjsFixtures, name));
    expect(largestDifference(await tfjsVectors(checkpoint), reference)).toBeLessThan(1e-4);
    expect(core.getBackend()).toBe('wasm');
    await checkpoint.close();
  });

  it('says what is missing, and the command that installs it', async () => {
    expect(await tfjsStatus()).toEqual({ native: null, backend: 'wasm', complaint: null });
    const { notes, audit } = await inspect(modelFixture('tfjs/layers/model.json'));
    expect(audit.possible).toBe(true);
    expect(notes.join()).toContain('backcompat runtime install tfjs');
  });

  it('leaves WebAssembly for what it cannot do', async () => {
    const { core, backends } = await tfjsRuntime();
    expect(backends).toEqual(['wasm', 'cpu']);
    // A complex spectrum and back: WebAssembly knows neither.
    const folder = await editedTfjs('graph', (json) => {
      const { node } = json.modelTopology;
      const identity = node.find(({ name }) => name === 'Identity') as (typeof node)[number];
      const [from] = identity.input as [string];
      node.push(
        { name: 'zeros', op: 'Sub', input: [from, from], attr: {} },
        { name: 'complex', op: 'Complex', input: [from, 'zeros'], attr: {} },
        { name: 'real', op: 'Real', input: ['complex'], attr: {} },
      );
      identity.input = ['real'];
    });
    const checkpoint = await openTfjs(folder);
    expect(core.getBackend()).toBe('cpu');
    expect(largestDifference(await tfjsVectors(checkpoint), tfjsExpected.vectors)).toBeLessThan(1e-4);
    await checkpoint.close();
  });

  it('leaves WebAssembly where it gives other numbers than plain JavaScript', async () => {
    // Steps of 20 on 12 pixels: one place is left, and the two lay the window elsewhere.
    const folder = await editedTfjs('graph', (json) => {
      const { node } = json.modelTopology;
      const convolution = node.find(({ op }) => op === '_FusedConv2D');
      Object.assign(convolution?.attr ?? {}, { strides: { list: { i: ['1', '20', '20', '1'] } } });
      Object.assign(node.find(({ op }) => op === 'FusedDepthwiseConv2dNative')?.attr ?? {}, {
        padding: { s: 'U0FNRQ==' },
      });
      Object.assign(node.find(({ op }) => op === 'MaxPool') ?? {}, { op: 'Identity' });
    });
    const { core } = await tfjsRuntime();
    const checkpoint = await openTfjs(folder);
    await tfjsVectors(checkpoint);
    expect(core.getBackend()).toBe('cpu');
    await checkpoint.close();
    const other = await openTfjs(path.join(tfjsFixtures, 'graph'));
    await tfjsVectors(other);
    expect(core.getBackend()).toBe('wasm');
    await other.close();
  });
});

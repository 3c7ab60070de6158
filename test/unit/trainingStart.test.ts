import { rmSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadConfig } from '../../src/core/config/loadConfig.ts';
import { itemLoader } from '../../src/core/pipeline/pairDefinition.ts';
import { findTraining, planTraining } from '../../src/core/pipeline/training/trainingPlan.ts';
import { openStart } from '../../src/core/pipeline/training/trainingStart.ts';
import { tinyTraining, writeConfig } from '../fixtures/training/tinyTraining.ts';

let folder: string;
beforeAll(async () => {
  folder = await tinyTraining();
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('a training and its old model of one built-in network', () => {
  const first = { from: 'builtin:convnet', dimension: 6, data: 'tiny/train', seed: 4 };
  async function notesFor(seed: number, dimension = 6): Promise<readonly string[]> {
    const second = { ...first, old: 'first', seed: 0, dimension };
    await writeConfig(folder, {}, { training: { first, second } });
    const loaded = await loadConfig(path.join(folder, 'backcompat.json'));
    const plan = planTraining('second', findTraining(loaded, 'second').block, seed);
    const items = await itemLoader(loaded)('tiny/train');
    return (await openStart(loaded, plan, items, null, 1)).notes;
  }

  it('says that they start alike where seed and length are the same', async () => {
    expect(await notesFor(4)).toEqual([
      expect.stringContaining('"first" was initialised with the same weights (seed 4)'),
    ]);
  });

  it('has nothing to say of another seed or length', async () => {
    expect(await notesFor(5)).toEqual([]);
    expect(await notesFor(4, 8)).toEqual([]);
  });
});

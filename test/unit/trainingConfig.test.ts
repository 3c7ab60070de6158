import { describe, expect, it } from 'vitest';
import { checkConfig } from '../../src/core/config/checkConfig.ts';
import { objectiveSettings } from '../../src/core/training/objectives/createObjective.ts';

const block = { from: 'builtin:convnet', dimension: 8, old: 'v1', data: 'd/train', evaluate: { gallery: 'd/gallery' } };

function problems(training: Record<string, unknown>, pairs: Record<string, unknown> = {}): string[] {
  const config = {
    datasets: { d: { images: 'd', splits: { train: 0.5, gallery: 0.5 } } },
    checkpoints: { v1: { model: 'v1.onnx' }, stored: { vectors: 'v.npy' }, layers: { model: 'model.json' } },
    training,
    pairs,
  };
  return checkConfig(JSON.stringify(config)).problems.map(({ message }) => message);
}

describe('a training block', () => {
  it('may be what the documentation shows', () => {
    const swept = { ...block, paragon: true, lambda: [0.5, 2], stopEarly: { tax: 0.01, patience: 3 } };
    expect(problems({ swept, next: { ...block, old: 'swept', paragon: 'swept/paragon' } })).toEqual([]);
  });

  it('gives pairs its parts by name', () => {
    const swept = { ...block, paragon: true, lambda: [0.5, 2] };
    const pair = (name: string) => ({ p: { old: 'v1', new: name, gallery: 'd/gallery' } });
    for (const name of ['swept', 'swept/paragon', 'swept/lambda-0.5', 'swept/lambda-2']) {
      expect(problems({ swept }, pair(name))).toEqual([]);
    }
    expect(problems({ swept }, pair('swept/lambda-3'))).toHaveLength(1);
  });

  it.each([
    [{ dimension: undefined }, /a built-in network needs the length of its embedding/],
    [{ from: 'v1' }, /"dimension" is for built-in networks/],
    [{ from: 'v1', dimension: undefined, preprocess: { channels: 1 } }, /"preprocess" is for built-in networks/],
    [{ lambda: [1, 1] }, /has a value twice/],
    [{ lambda: [1, 2], evaluate: undefined }, /nothing tells which value is best/],
    [{ paragon: true, method: 'independent' }, /the model is its own paragon/],
    [{ paragon: 'v3' }, /there is no checkpoint "v3"/],
    [{ stopEarly: { patience: 2 }, evaluate: undefined }, /nothing tells when to stop/],
    [{ stopEarly: { tax: 0.1 } }, /measured against a paragon/],
  ])('is refused where it makes no sense: %j', (change, expected) => {
    const found = problems({ odd: { ...block, ...change } });
    expect(found.join('\n')).toMatch(expected);
    expect(found).toHaveLength(1);
  });
});

describe('the loss of a training block', () => {
  it('needs no method: bct with an old model, else none', () => {
    expect(problems({ plain: { ...block, old: undefined } })).toEqual([]);
    expect(objectiveSettings({}).method).toBe('independent');
    expect(objectiveSettings({ old: 'v1' })).toMatchObject({ method: 'bct', lambda: 1, oldHead: 'synthesised' });
    const method = 'contrastive' as const;
    const contrastive = { ...block, method, contrastive: { hardest: 5 }, lambda: [2, 1] };
    expect(problems({ contrastive })).toEqual([]);
    expect(objectiveSettings(contrastive)).toMatchObject({ lambda: 2, contrastive: { temperature: 0.01, hardest: 5 } });
    expect(objectiveSettings(contrastive, 1).lambda).toBe(1);
  });

  it.each([
    [{ method: 'l2', old: undefined }, /the method "l2" needs an old checkpoint/],
    [{ method: 'l2', oldHead: 'synthesised' }, /"oldHead" goes with the method "bct", this is "l2"/],
    [{ contrastive: {} }, /"contrastive" are settings of the method of that name, this is "bct"/],
    [{ method: 'contrastive', mixbct: { share: 0.5 } }, /"mixbct" are settings of the method of that name/],
    [{ method: 'mixbct', lambda: [1, 2] }, /the method "mixbct" has no loss that "lambda" weighs/],
    [{ oldHead: 'checkpoint', old: 'stored' }, /"stored" is a table of vectors and names no head/],
    [{ oldHead: 'checkpoint', old: 'layers' }, /"layers" is no ONNX file/],
    [{ head: { kind: 'cosface', scale: 10, temperature: 0.1 } }, /head gives both "temperature" and "scale"/],
    [{ head: { kind: 'nsoftmax', margin: 0.1 } }, /has a margin, which a head of the kind "nsoftmax" does not use/],
  ])('is refused where it makes no sense: %j', (change, expected) => {
    const found = problems({ odd: { ...block, ...change } });
    expect(found.join('\n')).toMatch(expected);
    expect(found).toHaveLength(1);
  });

  it('is refused with a head of a checkpoint that makes no sense', () => {
    const head = (given: object, checkpoint: object = { model: 'v2.onnx' }) =>
      checkConfig(JSON.stringify({ checkpoints: { v2: { ...checkpoint, head: given } } })).problems.map(
        ({ message }) => message,
      );
    expect(head({ weights: 'h.npy', classes: ['a'], scale: 20, kind: 'nsoftmax' })).toEqual([]);
    expect(head({ weights: 'h.npy' }, { vectors: 'v.npy' })).toEqual([]);
    expect(head({ classes: ['a'] }, { vectors: 'v.npy' })).toEqual([
      'checkpoints.v2.head names no file: a table of vectors holds no classifier.',
    ]);
    expect(head({ classes: ['a', 'b', 'a'] })).toEqual(['checkpoints.v2.head names the class "a" twice.']);
    expect(head({ kind: 'cosface', normalised: true })[0]).toMatch(/"cosface", which always normalises/);
    expect(head({ scale: 1, temperature: 1 })[0]).toMatch(/gives both "temperature" and "scale"/);
  });
});

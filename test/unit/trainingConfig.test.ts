import { describe, expect, it } from 'vitest';
import { checkConfig } from '../../src/core/config/checkConfig.ts';

const block = { from: 'builtin:convnet', dimension: 8, old: 'v1', data: 'd/train', evaluate: { gallery: 'd/gallery' } };

function problems(training: Record<string, unknown>, pairs: Record<string, unknown> = {}): string[] {
  const config = {
    datasets: { d: { images: 'd', splits: { train: 0.5, gallery: 0.5 } } },
    checkpoints: { v1: { model: 'v1.onnx' } },
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

import type { Value } from '../../graph.ts';
import { inputGradient, windowOf } from '../convolution.ts';
import { biasGradient, weightGradients } from '../kernelGradient.ts';
import type { NodeView, Rule } from '../rule.ts';
import { sizeOf } from '../shapes.ts';
import { Winograd } from '../winograd.ts';

function conv(n: NodeView): (Value | null)[] {
  const [x, w, dy] = [n.input(0), n.input(1), n.upstream];
  const window = windowOf(n, x, w);
  const fast = Winograd.of(n, x, w, window);
  if (fast !== null) {
    return n.each(
      () => fast.inputGradient(dy, w),
      () => fast.weightGradient(dy, x),
      () => biasGradient(n, dy, 2),
    );
  }
  const gradient = n.needs(0) ? inputGradient(n, dy, x, w, window) : null;
  if (!n.needs(1)) return [gradient, null, n.needs(2) ? biasGradient(n, dy, window.kernel.length) : null];
  const { weights, bias } = weightGradients(n, { dy, x, w, window, bias: n.needs(2) });
  return [gradient, weights, bias];
}

/** A convolution the other way round: its result is what a convolution by the same kernels would take in. */
function convTranspose(n: NodeView): (Value | null)[] {
  const [x, w, dy] = [n.input(0), n.input(1), n.upstream];
  const window = windowOfTransposed(n, x, w);
  const { strides, dilations, group, begins, ends, kernel } = window;
  return n.each(
    () => n.node('Conv', [dy, w], { strides, dilations, group, pads: [...begins, ...ends] }),
    () => weightGradients(n, { dy: x, x: dy, w, window, bias: false }).weights,
    () => biasGradient(n, dy, kernel.length),
  );
}

function windowOfTransposed(n: NodeView, x: Value, w: Value): ReturnType<typeof windowOf> {
  const mode = n.text('auto_pad', 'NOTSET');
  if (!n.has('output_shape') && (mode === 'NOTSET' || mode === 'VALID')) return windowOf(n, x, w);
  // The padding is what brings the result to its size.
  const window = windowOf(n, n.output(), w);
  const given = n.ints('output_shape');
  const { kernel, strides, dilations } = window;
  const extra = n.ints('output_padding');
  const totals = kernel.map((size, i) => {
    const [from, to] = [sizeOf(n, x, i + 2), given?.[i] ?? sizeOf(n, n.output(), i + 2)];
    if (typeof from !== 'number' || typeof to !== 'number') {
      throw n.refuse('it pads by the size of its result, which is not known');
    }
    const whole = (from - 1) * (strides[i] as number) + (size - 1) * (dilations[i] as number) + 1;
    return Math.max(0, whole + (extra?.[i] ?? 0) - to);
  });
  const less = totals.map((total) => Math.floor(total / 2));
  const more = totals.map((total) => Math.ceil(total / 2));
  return { ...window, ...(mode === 'SAME_UPPER' ? { begins: less, ends: more } : { begins: more, ends: less }) };
}

/** Rules of convolutions along any number of axes. */
export const convolutions: Record<string, Rule> = { Conv: conv, ConvTranspose: convTranspose };

import type { Value } from '../../graph.ts';
import type { NodeView, Rule } from '../rule.ts';
import { expandLike } from '../shapes.ts';

/**
 * The gradient of an operand is the Einsum of the upstream gradient and the other operands, to the operand's own letters. Letters that stand
 * nowhere else were summed over: the gradient is the same along them.
 */
function einsum(n: NodeView): (Value | null)[] {
  const { operands, result } = terms(n);
  const inputs = n.proto.input as Value[];
  return inputs.map((input, index) => {
    if (!n.needs(index)) return null;
    const own = operands[index] as string[];
    const others = operands.filter((_, other) => other !== index);
    const present = new Set([...result, ...others.flat()]);
    const kept = own.filter((letter) => present.has(letter));
    const equation = `${[result, ...others].map((term) => term.join('')).join(',')}->${kept.join('')}`;
    const gradient = n.node('Einsum', [n.upstream, ...inputs.filter((_, other) => other !== index)], { equation });
    if (kept.length === own.length) return gradient;
    const missing = own.flatMap((letter, axis) => (present.has(letter) ? [] : [axis]));
    return expandLike(n, n.node('Unsqueeze', [gradient, n.int64s(missing)]), input);
  });
}

/** Letters of the operands and of the result; an ellipsis is spelt out in capitals. */
function terms(n: NodeView): { operands: string[][]; result: string[] } {
  const [left = '', right] = n.text('equation', '').replace(/\s/g, '').split('->');
  const names = left.split(',');
  const free = [...'ABCDEFGHIJKLMNOPQRSTUVWXYZ'].filter((letter) => !left.includes(letter));
  const hidden = names.map((term, index) => {
    if (!term.includes('...')) return [];
    const rank = n.rankOf(n.input(index));
    if (rank === null) throw n.refuse('the shape behind the ellipsis of its equation is not known');
    return n.shapeOf(n.input(index))?.slice(term.indexOf('...'), rank - (term.length - 3 - term.indexOf('...'))) ?? [];
  });
  const depth = Math.max(0, ...hidden.map((axes) => axes.length));
  names.forEach((term, index) => {
    const axes = hidden[index] ?? [];
    const isBroadcast = axes.some(
      (size, axis) => size === 1 && hidden.some((h) => h.length > 0 && h.at(axis - axes.length) !== 1),
    );
    if (term.includes('...') && (axes.length !== depth || isBroadcast)) {
      throw n.refuse('operands are broadcast behind the ellipsis of its equation');
    }
  });
  const spell = (term: string) => [...term.replace('...', free.slice(0, depth).join(''))];
  const operands = names.map(spell);
  if (operands.some((term) => new Set(term).size < term.length)) throw n.refuse('it takes a diagonal');
  if (right !== undefined) return { operands, result: spell(right) };
  // Without an arrow: what stands once, by the alphabet, behind the ellipsis.
  const all = operands.flat();
  const once = [...new Set(all)].filter((letter) => all.indexOf(letter) === all.lastIndexOf(letter)).sort();
  const ellipsis = left.includes('...') ? free.slice(0, depth) : [];
  return { operands, result: [...ellipsis, ...once.filter((letter) => !ellipsis.includes(letter))] };
}

export const einsums: Record<string, Rule> = { Einsum: einsum };

import type { Rule } from '../rule.ts';

/** Turned back by the same angles. */
export const rotaryEmbedding: Record<string, Rule> = {
  RotaryEmbedding: (n) => [
    n.node(
      'RotaryEmbedding',
      [n.upstream, n.input(1), n.negate(n.input(2)), ...(n.optional(3) === null ? [] : [n.optional(3)])],
      n.attributes(['interleaved', 'num_heads', 'rotary_embedding_dim']),
    ),
  ],
};

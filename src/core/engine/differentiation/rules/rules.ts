import type { Rule } from '../rule.ts';
import { activations } from './activations.ts';
import { arithmetic } from './arithmetic.ts';
import { convolutions } from './convolutions.ts';
import { einsums } from './einsum.ts';
import { gathers } from './gathers.ts';
import { moves } from './moves.ts';
import { normalizations } from './normalizations.ts';
import { pools } from './pools.ts';
import { products } from './products.ts';
import { reductions } from './reductions.ts';
import { resizes } from './resize.ts';
import { rotaryEmbedding } from './rotaryEmbedding.ts';

/** The rule of each operator that gradients can pass. */
export const rules: Readonly<Record<string, Rule>> = {
  ...arithmetic,
  ...activations,
  ...products,
  ...einsums,
  ...convolutions,
  ...pools,
  ...normalizations,
  ...reductions,
  ...moves,
  ...gathers,
  ...resizes,
  ...rotaryEmbedding,
};

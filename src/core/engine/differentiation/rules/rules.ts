import type { Rule } from '../rule.ts';
import { arithmetic } from './arithmetic.ts';
import { gathers } from './gathers.ts';
import { images } from './images.ts';
import { products } from './products.ts';
import { reductions } from './reductions.ts';
import { shapes } from './shapes.ts';

/** The rule of each operator that gradients can pass. */
export const rules: Readonly<Record<string, Rule>> = {
  ...arithmetic,
  ...products,
  ...shapes,
  ...reductions,
  ...gathers,
  ...images,
};

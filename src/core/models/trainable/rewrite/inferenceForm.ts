import type { Value } from '../../../engine/graph.ts';
import type { NodeRewriter, RewriteRule } from './nodeRewriter.ts';

/** Uses the statistics of the file, whatever the node says: they are not trained. */
function batchNormalization({ keep }: NodeRewriter): void {
  // Before 14 further outputs, and before 9 `spatial`, said what training did.
  keep({ without: ['training_mode', 'momentum', 'spatial'], outputs: 1 });
}

/** Drops nothing. */
function dropout({ inputs, replace, isUsed, refuse }: NodeRewriter): void {
  if (isUsed(1)) throw refuse('gives the mask of what it drops to others', 'Export the model for inference.');
  replace(0, inputs[0] as Value);
}

function identity({ inputs, replace }: NodeRewriter): void {
  replace(0, inputs[0] as Value);
}

export const inferenceForm: Readonly<Record<string, RewriteRule>> = {
  BatchNormalization: batchNormalization,
  Dropout: dropout,
  Identity: identity,
};

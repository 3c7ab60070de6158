import { type Head, headParameters } from '../heads/head.ts';
import { classificationLoss, headLogits, headValues } from '../heads/logits.ts';
import { inOldSpace, type OldSpace } from './oldSpace.ts';
import { type ObjectiveTerm, weighted } from './term.ts';

/** Prefix of the frozen old head's parameters. */
export const OLD_HEAD = 'oldHead';

/**
 * The influence loss of BCT (Shen et al., CVPR 2020, eq. 5): lambda times the old head's own loss, margin included, of
 * the **new** vector, over items whose class the old head knows. The old head is frozen.
 */
export function influenceTerm(oldHead: Head, space: OldSpace, lambda: number): ObjectiveTerm {
  return {
    name: 'influence',
    fields: ['oldLabels'],
    parameters: headParameters(oldHead, OLD_HEAD, false),
    value(ops, step) {
      const vectors = inOldSpace(ops, space, step.embedding);
      const values = headValues(step.parameters, OLD_HEAD);
      const classes = oldHead.classNames.length;
      return weighted(ops, lambda, classificationLoss(ops, oldHead, values, vectors, step.fields.oldLabels, classes));
    },
  };
}

/**
 * The old head as a teacher: lambda times the mean over all items of the cross-entropy between its softmax of the old
 * vector and its softmax of the new one, both without margin. No labels are needed.
 * @param temperature divides the logits of both (2 in Learning without Forgetting, Li and Hoiem, ECCV 2016); no factor T^2
 */
export function distillationTerm(oldHead: Head, space: OldSpace, lambda: number, temperature = 1): ObjectiveTerm {
  return {
    name: 'influence',
    // A head that sees vectors as they are tells long from short ones.
    fields: oldHead.unitVectors ? ['oldVectors'] : ['oldVectors', 'oldLengths'],
    parameters: headParameters(oldHead, OLD_HEAD, false),
    value(ops, { embedding, fields, parameters }) {
      const values = headValues(parameters, OLD_HEAD);
      const likelihoods = (vectors: typeof embedding) =>
        ops.logSoftmax(weighted(ops, 1 / temperature, headLogits(ops, oldHead, values, vectors)), -1);
      const teacherVectors = oldHead.unitVectors
        ? fields.oldVectors
        : ops.multiply(fields.oldVectors, ops.reshape(fields.oldLengths, [-1, 1]));
      const teacher = ops.stopGradient(ops.exp(likelihoods(teacherVectors)));
      const student = likelihoods(inOldSpace(ops, space, embedding));
      const mean = ops.mean(ops.sum(ops.multiply(teacher, student), -1), null);
      return weighted(ops, -lambda, mean);
    },
  };
}

import { influenceTerm } from '../../training/objectives/influence.ts';
import { plainOptions, type SessionMethod } from './sessionMethod.ts';

/** The influence loss through the head of the session before (Shen et al., CVPR 2020), over new and replayed items of classes that it knows. */
export const bct: SessionMethod = {
  defaults: { ...plainOptions, replay: 'images' },
  isJoint: false,
  terms: (_, __, { head, space }) => [influenceTerm(head, space, 1)],
};

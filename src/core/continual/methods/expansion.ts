import { cvs } from './cvs.ts';
import type { SessionMethod } from './sessionMethod.ts';

/**
 * Dynamic expansion: the embedding gains components at each session. Those from before stay coherent with what is stored, as in
 * `cvs`; the new ones are free, and old galleries are searched by the components that they have.
 */
export const expansion: SessionMethod = cvs;

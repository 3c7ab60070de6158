import type { SessionMethodOptions } from '../../contract/sessions.ts';
import type { Head } from '../../training/heads/head.ts';
import type { StoredVectors } from '../../training/objectives/coherence.ts';
import type { OldSpace } from '../../training/objectives/oldSpace.ts';
import type { ObjectiveTerm } from '../../training/objectives/term.ts';
import type { WeightMemory } from '../../training/objectives/weightPenalty.ts';
import type { GallerySession } from '../classCentres.ts';

/** What the sessions before leave to a session. */
export interface SessionsBefore {
  /** The head after the last one, frozen. */
  readonly head: Head;
  /** How this session's vectors meet the last one's. */
  readonly space: OldSpace;
  /** All galleries so far, oldest first; labels are rows of this session's head. */
  readonly galleries: readonly GallerySession[];
  /** Vectors kept by feature replay, labelled likewise; null for none. */
  readonly stored: StoredVectors | null;
  /** For consolidation; null where the method has none. */
  readonly memory: WeightMemory | null;
}

/** One way to learn a session after others: a few losses beside the head's own. */
export interface SessionMethod {
  /** Of options that the config does not give. `buffer` and `growth` come from the block. */
  readonly defaults: Omit<SessionMethodOptions, 'buffer' | 'growth'>;
  /** Whether every session is trained on all items so far from the initial weights, and every gallery is embedded again. */
  readonly isJoint: boolean;
  /** Losses of a session after the first, without the head's own and those that any method may have (`ewc`, `lwf`). */
  terms(options: SessionMethodOptions, head: Head, before: SessionsBefore): ObjectiveTerm[];
}

/** A method's options where it has none of its own. */
export const plainOptions: SessionMethod['defaults'] = {
  alpha: null,
  beta: null,
  form: null,
  ewc: null,
  lwf: null,
  replay: 'none',
};

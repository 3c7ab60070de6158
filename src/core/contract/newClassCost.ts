import type { SessionsMethod } from './sessions.ts';

/** What a method pays in one session on the classes that came up in it, as differences of recall@1: positive is a loss. */
export interface NewClassCost {
  /** From 1. */
  session: number;
  /** recall@1 of the newest classes on the mixed gallery. */
  recall: number | null;
  /** recall@1 of joint training less this; null where the run has none, not so far, or nothing was measured. */
  againstJoint: number | null;
  /** The same against fine-tuning. */
  againstFineTuning: number | null;
}

/**
 * The cost of compatibility to new classes in every session of `method` that is done (continual.md, "What is reported"). Of several
 * methods of a name the first of the run counts. The first session is the same for all but chance: nothing was there to stay
 * compatible with.
 */
export function newClassCosts(method: SessionsMethod, all: readonly SessionsMethod[]): NewClassCost[] {
  const named = (name: SessionsMethod['method']) => all.find((other) => other.method === name);
  const recallOf = (other: SessionsMethod | undefined, session: number) =>
    other?.sessions.find((result) => result.session === session)?.figures.newClasses.recall ?? null;
  const [joint, fineTuning] = [named('joint'), named('fine-tuning')];
  return method.sessions.map(({ session, figures: { newClasses } }) => {
    const { recall } = newClasses;
    const against = (other: SessionsMethod | undefined) => {
      const theirs = recallOf(other, session);
      return recall === null || theirs === null ? null : theirs - recall;
    };
    return { session, recall, againstJoint: against(joint), againstFineTuning: against(fineTuning) };
  });
}

/** The mean over the sessions after the first; null where none has the figure. */
export function meanNewClassCost(
  costs: readonly NewClassCost[],
  figure: Exclude<keyof NewClassCost, 'session'>,
): number | null {
  const known = costs.filter(({ session }) => session > 1).flatMap((cost) => cost[figure] ?? []);
  return known.length === 0 ? null : known.reduce((sum, value) => sum + value, 0) / known.length;
}

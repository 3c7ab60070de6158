import { count, counted, number } from '../../contract/format.ts';
import type { Diagnosis } from '../../contract/report.ts';
import type { CauseEvidence } from './evidence.ts';

/** New directions in use below this share of the old ones. */
const SHARE_OF_OLD = 0.5;
/** And below this share of what so many classes (or components) could use: compact classes alone do not go there. */
const SHARE_OF_ROOM = 0.25;
/** Without labels nothing says how many directions are needed: then a stricter share of the old ones. */
const SHARE_OF_OLD_UNLABELLED = 0.25;
/** Components that hardly vary, beyond those of the old model, from which they are a cause. */
const CONSTANT_SHARE = 0.1;

/** Whether the new vectors use few directions, or have components that do not vary. */
export function collapsedDimensionsCause(all: CauseEvidence): Diagnosis {
  const { old, new: next } = all.spread;
  const room = roomOf(all);
  const evidence = {
    effectiveDimensionsOld: old.effectiveDimensions,
    effectiveDimensionsNew: next.effectiveDimensions,
    constantComponentsOld: old.constantComponents,
    constantComponentsNew: next.constantComponents,
    componentsNew: next.components,
    directionsThatClassesCanUse: room,
    limits: {
      shareOfOld: room === null ? SHARE_OF_OLD_UNLABELLED : SHARE_OF_OLD,
      shareOfRoom: SHARE_OF_ROOM,
      constantShare: CONSTANT_SHARE,
    },
  };
  const constant = hasConstant(all);
  const found = isCollapsed(all);
  const figures = `new vectors spread over about ${number(next.effectiveDimensions, 1)} directions, the old ones over ${number(old.effectiveDimensions, 1)}; ${counted(next.constantComponents, 'component')} of ${count(next.components)} hardly ${next.constantComponents === 1 ? 'varies' : 'vary'}`;
  const message = found
    ? `The new model uses too little of its space: ${figures}. ${constant ? 'Constant components are dead units or an export that cut them off: check both.' : 'Check its training (a collapsed loss, too strong a weight decay) and its export.'}`
    : `No collapse: ${figures}.`;
  return { code: 'collapsed-dimensions', found, message, evidence };
}

export function isCollapsed(all: CauseEvidence): boolean {
  const { old, new: next } = all.spread;
  const room = roomOf(all);
  const shareOfOld = next.effectiveDimensions / Math.max(old.effectiveDimensions, 1e-30);
  const narrow =
    room === null
      ? shareOfOld <= SHARE_OF_OLD_UNLABELLED
      : shareOfOld <= SHARE_OF_OLD && next.effectiveDimensions <= SHARE_OF_ROOM * room;
  return narrow || hasConstant(all);
}

function hasConstant({ spread: { old, new: next } }: CauseEvidence): boolean {
  return next.constantComponents / next.components - old.constantComponents / old.components >= CONSTANT_SHARE;
}

function roomOf({ classes, spread }: CauseEvidence): number | null {
  return classes === null ? null : Math.min(Math.max(classes.classes - 1, 1), spread.new.components);
}

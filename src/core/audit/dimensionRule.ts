import { BackcompatError } from '../contract/errors.ts';
import type { DimensionRule } from '../contract/report.ts';

/**
 * The rule under which old and new vectors meet (metrics.md section 7). The cross space always has
 * the old model's length: `slice` cuts new vectors to it, `pad` fills them up with zeros, `project` maps them by
 * a fitted adapter, also those of equal length.
 * @throws BackcompatError `dimension-mismatch` naming both lengths and the rules that fit
 */
export function resolveDimensionRule(
  chosen: Exclude<DimensionRule, 'equal'> | null,
  oldDimension: number,
  newDimension: number,
): DimensionRule {
  if (chosen === 'project') return 'project';
  if (oldDimension === newDimension) return 'equal';
  const lengths = `The old vectors have ${oldDimension} components, the new ones ${newDimension}`;
  const rule = fitting(oldDimension, newDimension);
  const meaning =
    rule === 'slice'
      ? `compare the first ${oldDimension} components of the new vectors`
      : `fill the new vectors up with zeros to ${oldDimension} components`;
  if (chosen === null) {
    throw new BackcompatError('dimension-mismatch', `${lengths}; no rule says how to compare them.`, {
      place: { field: 'dimensionRule' },
      remedy: `Set "dimensionRule": "${rule}" for the pair (or --dimension-rule ${rule}) to ${meaning}, or "project" to map them by an adapter fitted on your items.`,
    });
  }
  if (chosen !== rule) {
    throw new BackcompatError(
      'dimension-mismatch',
      `${lengths}; the rule "${chosen}" is for ${chosen === 'slice' ? 'longer' : 'shorter'} new vectors.`,
      {
        place: { field: 'dimensionRule' },
        remedy: `Use "${rule}" to ${meaning}, or "project" to map them by an adapter fitted on your items.`,
      },
    );
  }
  return rule;
}

function fitting(oldDimension: number, newDimension: number): 'slice' | 'pad' {
  return newDimension > oldDimension ? 'slice' : 'pad';
}

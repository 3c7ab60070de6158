import type { AuditProtocol } from '../contract/protocol.ts';
import type { DimensionRule, Protocol } from '../contract/report.ts';

/** The protocol as the report states it: with the rule that was applied, and what was sampled. */
export function reportedProtocol(
  protocol: AuditProtocol,
  rule: DimensionRule,
  measured: Pick<Protocol, 'sampledQueries' | 'referenceQueries'>,
): Protocol {
  const { pairBudget: _, adapter, adapterFile, dimensionRule: __, ...rest } = protocol;
  return {
    ...rest,
    dimensionRule: rule,
    ...(rule !== 'project' ? {} : adapterFile === undefined ? { adapter } : { adapterFile }),
    exact: measured.sampledQueries === null,
    ...measured,
  };
}

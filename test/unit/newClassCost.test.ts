import { expect, it } from 'vitest';
import { meanNewClassCost, newClassCosts } from '../../src/core/contract/newClassCost.ts';
import type { SessionsMethod } from '../../src/core/contract/sessions.ts';
import { sessionsRecord } from '../fixtures/sessions.ts';

/** The record's methods with these recalls of new classes, session by session. */
function withRecalls(recalls: Record<string, (number | null)[]>): SessionsMethod[] {
  const { methods } = sessionsRecord({ isDone: true });
  for (const { folder, sessions } of methods) {
    const own = recalls[folder] as (number | null)[];
    sessions.splice(own.length);
    for (const [k, { figures }] of sessions.entries()) figures.newClasses.recall = own[k] ?? null;
  }
  return methods.filter(({ folder }) => folder in recalls);
}

it('holds the newest classes against joint training and fine-tuning, session by session', () => {
  const methods = withRecalls({
    'fine-tuning': [0.99, 0.98, 0.97],
    cvs: [0.99, 0.95, null],
    expansion: [],
    joint: [0.98, 0.96],
  });
  const costs = newClassCosts(methods[1] as SessionsMethod, methods);
  expect(costs.map(({ session, recall }) => [session, recall])).toEqual([
    [1, 0.99],
    [2, 0.95],
    [3, null],
  ]);
  expect(costs[0]?.againstJoint).toBeCloseTo(-0.01, 12);
  expect(costs[1]?.againstJoint).toBeCloseTo(0.01, 12);
  expect(costs[1]?.againstFineTuning).toBeCloseTo(0.03, 12);
  // Not measured here, not there yet in joint training.
  expect(costs[2]).toMatchObject({ againstJoint: null, againstFineTuning: null });
  expect(newClassCosts(methods[0] as SessionsMethod, methods)[2]?.againstJoint).toBeNull();
});

it('leaves the first session out of the mean, and has none where nothing is known', () => {
  const methods = withRecalls({ 'fine-tuning': [1, 0.9, 0.8], cvs: [0.5, 0.8, 0.6], expansion: [], joint: [] });
  const costs = newClassCosts(methods[1] as SessionsMethod, methods);
  expect(meanNewClassCost(costs, 'againstFineTuning')).toBeCloseTo((0.1 + 0.2) / 2, 12);
  expect(meanNewClassCost(costs, 'recall')).toBeCloseTo(0.7, 12);
  expect(meanNewClassCost(costs, 'againstJoint')).toBeNull();
  expect(meanNewClassCost([], 'recall')).toBeNull();
});

import { type Finding, pathText } from './finding.ts';
import type { SessionsDefinition } from './schema.ts';

/** What does not fit together in a block of sessions: its start, its plan, its methods. */
export function sessionsFindings(name: string, block: SessionsDefinition): Finding[] {
  const findings: Finding[] = [];
  const path = ['sessions', name];
  const add = (keys: (string | number)[], at: Finding['at'], message: string, remedy: string): void => {
    findings.push({ path: [...path, ...keys], at, message: `${pathText(path)}: ${message}`, remedy });
  };
  const isBuiltin = block.from.startsWith('builtin:');
  if (isBuiltin && block.dimension === undefined) {
    add(
      ['from'],
      'value',
      'a built-in network needs the length of its embedding.',
      'Add "dimension", for example 128.',
    );
  }
  for (const key of ['dimension', 'preprocess'] as const) {
    if (isBuiltin || block[key] === undefined) continue;
    add([key], 'key', `"${key}" is for built-in networks; a checkpoint brings its own.`, `Remove "${key}".`);
  }
  const { setup, column } = block.plan;
  if (setup === 'column' && column === undefined) {
    add(['plan', 'setup'], 'value', '"column" needs the name of one.', 'Add "column", for example "month".');
  }
  if (setup !== 'column' && column !== undefined) {
    add(
      ['plan', 'column'],
      'key',
      `"column" goes with the setup "column", and this is "${setup}".`,
      'Remove "column".',
    );
  }
  if (setup !== 'column' && block.plan.sessions === undefined) {
    add(['plan', 'setup'], 'value', `"${setup}" needs the number of sessions.`, 'Add "sessions", for example 5.');
  }
  const labels = new Set<string>();
  for (const [index, entry] of block.methods.entries()) {
    const method = typeof entry === 'string' ? { name: entry } : entry;
    const at = ['methods', index];
    const label = method.label ?? method.name;
    if (labels.has(label)) {
      add(at, 'value', `two methods are called "${label}".`, 'Give one a "label" of its own.');
    }
    labels.add(label);
    const isCoherent = method.name === 'cvs' || method.name === 'expansion';
    for (const key of ['alpha', 'beta', 'form'] as const) {
      if (isCoherent || method[key] === undefined) continue;
      add(
        [...at, key],
        'key',
        `"${key}" is of "cvs" and "expansion", and this is "${method.name}".`,
        `Remove "${key}".`,
      );
    }
    for (const key of ['ewc', 'lwf', 'replay', 'buffer'] as const) {
      if (method.name !== 'joint' || method[key] === undefined) continue;
      add([...at, key], 'key', `"joint" trains on all items from the start and takes no "${key}".`, `Remove "${key}".`);
    }
    if (method.replay === 'features' && method.name !== 'cvs') {
      add([...at, 'replay'], 'value', `stored vectors alone are of use to "cvs" only.`, 'Set "images" or "none".');
    }
    if (method.growth !== undefined && method.name !== 'expansion') {
      add([...at, 'growth'], 'key', `"growth" is of "expansion", and this is "${method.name}".`, 'Remove "growth".');
    }
    if (method.name === 'expansion' && !isBuiltin) {
      add(at, 'value', 'only built-in networks can gain components.', 'Start from one, or leave "expansion" out.');
    }
  }
  return findings;
}

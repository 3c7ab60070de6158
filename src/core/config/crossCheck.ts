import { closest, quotedList } from './closest.ts';
import { type Finding, type JsonPath, pathText } from './finding.ts';
import { objectiveFindings, trainedHeadFindings } from './objectiveFindings.ts';
import type { Config, DatasetDefinition } from './schema.ts';
import { sessionsFindings } from './sessionsFindings.ts';
import { trainedNames, trainingRunFindings } from './trainingRunFindings.ts';

/** Built-in networks that training may start from. */
export const builtinNetworks = ['builtin:convnet', 'builtin:resnet18'] as const;

/** What a schema cannot say: names that must exist, keys that exclude each other, sums. */
export function crossCheck(config: Config): Finding[] {
  const findings: Finding[] = [];
  const datasets = config.datasets ?? {};
  const checkpoints = Object.keys(config.checkpoints ?? {});
  const trained = trainedNames(config);

  const checkName = (path: JsonPath, name: string | undefined, known: readonly string[], what: string): void => {
    if (name === undefined || known.includes(name)) return;
    findings.push({
      path,
      at: 'value',
      message: `${pathText(path)}: there is no ${what} ${JSON.stringify(name)}; there is ${quotedList(known)}.`,
      suggestion: closest(name, known),
    });
  };
  const checkItems = (path: JsonPath, reference: string | undefined): void => {
    if (reference === undefined) return;
    const known = Object.entries(datasets).flatMap(([name, definition]) => [
      name,
      ...Object.keys(definition.splits ?? {}).map((part) => `${name}/${part}`),
    ]);
    const [name] = splitReference(reference);
    const definition = Object.hasOwn(datasets, name) ? (datasets[name] as DatasetDefinition) : undefined;
    // The parts that a column names are in the file, not here.
    if (definition && 'split' in definition && definition.split !== undefined) return;
    checkName(path, reference, known, definition && reference.includes('/') ? 'part' : 'dataset');
  };

  for (const [name, definition] of Object.entries(datasets)) {
    const sum = Object.values(definition.splits ?? {}).reduce((total, share) => total + share, 0);
    // 1e-9: 0.6 + 0.3 + 0.1 is not 1 in binary.
    if (sum > 1 + 1e-9) {
      findings.push({
        path: ['datasets', name, 'splits'],
        at: 'key',
        message: `${pathText(['datasets', name, 'splits'])}: the shares sum to ${Number(sum.toFixed(6))}, more than 1.`,
      });
    }
  }

  for (const [name, definition] of Object.entries(datasets)) {
    if (definition.splits === undefined || !('split' in definition) || definition.split === undefined) continue;
    findings.push({
      path: ['datasets', name, 'splits'],
      at: 'key',
      message: `${pathText(['datasets', name])} gives both "split" and "splits".`,
      remedy: 'Keep one: "split" names the column with the parts, "splits" makes them.',
    });
  }

  for (const [name, definition] of Object.entries(config.checkpoints ?? {})) {
    const path = ['checkpoints', name];
    findings.push(...trainedHeadFindings(name, definition));
    if ('vectors' in definition) {
      const vectors = [definition.vectors].flat();
      const labels = definition.labels === undefined ? vectors : [definition.labels].flat();
      if (vectors.length !== labels.length) {
        findings.push({
          path: [...path, 'labels'],
          at: 'key',
          message: `${pathText(path)} has ${vectors.length} files of vectors and ${labels.length} of labels.`,
          remedy: 'Give one label file for each file of vectors, in the same order.',
        });
      }
      continue;
    }
    const preprocess = typeof definition.preprocess === 'object' ? definition.preprocess : undefined;
    for (const key of ['mean', 'std'] as const) {
      const given = preprocess?.[key]?.length;
      const channels = preprocess?.channels;
      if (given === undefined || given === 1 || given === (channels ?? given)) continue;
      findings.push({
        path: [...path, 'preprocess', key],
        at: 'value',
        message: `${pathText([...path, 'preprocess', key])} has ${given} numbers for ${channels} channels.`,
        remedy: 'Give one number, or one for each channel.',
      });
    }
  }

  for (const [name, pair] of Object.entries(config.pairs ?? {})) {
    const path = ['pairs', name];
    const known = [...checkpoints, ...trained];
    if ('versions' in pair) {
      pair.versions.forEach((version, index) => {
        checkName([...path, 'versions', index], version, known, 'checkpoint');
      });
    } else {
      for (const role of ['old', 'new', 'paragon'] as const)
        checkName([...path, role], pair[role], known, 'checkpoint');
      if (pair.adapterFile !== undefined && (pair.dimensionRule ?? 'project') !== 'project') {
        findings.push({
          path: [...path, 'adapterFile'],
          at: 'key',
          message: `${pathText(path)} names an adapter, and the rule "${pair.dimensionRule}", which uses none.`,
          remedy: 'Remove "dimensionRule", or "adapterFile".',
        });
      }
      if (pair.adapterFile !== undefined && pair.adapter !== undefined) {
        findings.push({
          path: [...path, 'adapter'],
          at: 'key',
          message: `${pathText(path)} names both an adapter and a kind of adapter to fit.`,
          remedy: 'Keep one: "adapterFile" is used as it is.',
        });
      }
    }
    checkItems([...path, 'queries'], pair.queries);
    checkItems([...path, 'gallery'], pair.gallery);
  }

  const { criterion, ks } = config.audit ?? {};
  const k = /^cmc@(\d+)$/.exec(criterion?.metric ?? '')?.[1];
  if (k !== undefined && !(ks ?? [1, 5, 10]).includes(Number(k))) {
    findings.push({
      path: ['audit', 'criterion', 'metric'],
      at: 'value',
      message: `audit.criterion.metric: "cmc@${k}" is not measured; audit.ks is [${(ks ?? [1, 5, 10]).join(', ')}].`,
      remedy: `Add ${k} to audit.ks.`,
    });
  }

  for (const [name, block] of Object.entries(config.training ?? {})) {
    const path = ['training', name];
    if (checkpoints.includes(name)) {
      findings.push({ path, at: 'key', message: `${pathText(path)}: a checkpoint has the same name.` });
    }
    checkName([...path, 'from'], block.from, [...checkpoints, ...trained, ...builtinNetworks], 'checkpoint');
    checkName([...path, 'old'], block.old, [...checkpoints, ...trained], 'checkpoint');
    checkItems([...path, 'data'], block.data);
    checkItems([...path, 'evaluate', 'queries'], block.evaluate?.queries);
    checkItems([...path, 'evaluate', 'gallery'], block.evaluate?.gallery);
    if (typeof block.paragon === 'string') {
      checkName([...path, 'paragon'], block.paragon, [...checkpoints, ...trained], 'checkpoint');
    }
    findings.push(...trainingRunFindings(name, block), ...objectiveFindings(name, block, config));
  }

  for (const [name, block] of Object.entries(config.sessions ?? {})) {
    const path = ['sessions', name];
    checkName([...path, 'from'], block.from, [...checkpoints, ...trained, ...builtinNetworks], 'checkpoint');
    checkItems([...path, 'data'], block.data);
    checkItems([...path, 'queries'], block.queries);
    findings.push(...sessionsFindings(name, block));
  }

  for (const name of typeof config.baseline === 'object' ? Object.keys(config.baseline) : []) {
    const pairs = Object.keys(config.pairs ?? {});
    if (pairs.includes(name)) continue;
    findings.push({
      path: ['baseline', name],
      at: 'key',
      message: `${pathText(['baseline', name])}: there is no pair ${JSON.stringify(name)}; there is ${quotedList(pairs)}.`,
      suggestion: closest(name, pairs),
    });
  }

  for (const [rule, gate] of Object.entries(config.gates ?? {})) {
    if (gate === 'off' || gate[0] === 'off') continue;
    const path = ['gates', rule];
    const [, limit] = gate;
    const limits = [limit.state, limit.min, limit.max, limit.minChange, limit.maxChange];
    if (limits.every((value) => value === undefined)) {
      findings.push({
        path,
        at: 'value',
        message: `${pathText(path)} sets no limit: expected "state", "min", "max", "minChange" or "maxChange".`,
      });
    }
    if (limit.min !== undefined && limit.max !== undefined && limit.min > limit.max) {
      findings.push({
        path,
        at: 'value',
        message: `${pathText(path)}: min ${limit.min} is above max ${limit.max}: nothing can pass.`,
      });
    }
    if (limit.state !== undefined && (limit.bound ?? 'value') !== 'value') {
      findings.push({
        path,
        at: 'value',
        message: `${pathText(path)}: "bound" goes with "min" and "max", a state has no interval.`,
        remedy: 'Remove "bound".',
      });
    }
  }
  return findings;
}

/** `"digits/query"` to dataset and part; the part is null for a whole dataset. */
export function splitReference(reference: string): [dataset: string, part: string | null] {
  const slash = reference.indexOf('/');
  return slash < 0 ? [reference, null] : [reference.slice(0, slash), reference.slice(slash + 1)];
}

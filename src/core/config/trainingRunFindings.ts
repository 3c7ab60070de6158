import { partFolder } from '../contract/training.ts';
import { type Finding, pathText } from './finding.ts';
import type { Config, TrainingDefinition } from './schema.ts';

/** Names under which the results of training blocks can be used as checkpoints: `v2`, `v2/paragon`, `v2/lambda-0.5`. */
export function trainedNames(config: Config): string[] {
  return Object.entries(config.training ?? {}).flatMap(([name, block]) => [
    name,
    ...(block.paragon === true ? [`${name}/paragon`] : []),
    ...(Array.isArray(block.lambda) ? block.lambda.map((lambda) => `${name}/${partFolder(lambda)}`) : []),
  ]);
}

/** What does not fit together in how a block is run: its start, its parts, when it stops. */
export function trainingRunFindings(name: string, block: TrainingDefinition): Finding[] {
  const findings: Finding[] = [];
  const path = ['training', name];
  const add = (key: string, at: Finding['at'], message: string, remedy: string): void => {
    findings.push({ path: [...path, ...key.split('.')], at, message: `${pathText(path)}: ${message}`, remedy });
  };
  const isBuiltin = block.from.startsWith('builtin:');
  if (isBuiltin && block.dimension === undefined) {
    add('from', 'value', 'a built-in network needs the length of its embedding.', 'Add "dimension", for example 128.');
  }
  for (const key of ['dimension', 'preprocess'] as const) {
    if (isBuiltin || block[key] === undefined) continue;
    add(key, 'key', `"${key}" is for built-in networks; a checkpoint brings its own.`, `Remove "${key}".`);
  }
  const hasOld = block.old !== undefined;
  if (Array.isArray(block.lambda) && new Set(block.lambda).size < block.lambda.length) {
    add('lambda', 'value', 'the sweep has a value twice.', 'Give each value once.');
  }
  if (block.paragon === true && (!hasOld || block.method === 'independent')) {
    add(
      'paragon',
      'key',
      'without a compatibility loss the model is its own paragon.',
      'Remove "paragon", or name "old" and a method.',
    );
  }
  const { tax, patience } = block.stopEarly ?? {};
  if ((tax !== undefined || patience !== undefined) && block.evaluate === undefined) {
    add('stopEarly', 'key', 'without "evaluate" nothing tells when to stop.', 'Add "evaluate" with a gallery.');
  }
  if (tax !== undefined && (block.paragon ?? false) === false) {
    add('stopEarly.tax', 'key', 'the tax is measured against a paragon.', 'Add "paragon": true, or remove "tax".');
  }
  if (tax !== undefined && !hasOld) {
    add('stopEarly.tax', 'key', 'the criterion needs an old model.', 'Name "old", or remove "tax".');
  }
  if (Array.isArray(block.lambda) && block.evaluate === undefined) {
    add('lambda', 'key', 'without "evaluate" nothing tells which value is best.', 'Add "evaluate", or give one value.');
  }
  return findings;
}

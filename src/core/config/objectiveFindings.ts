import { type Finding, type JsonPath, pathText } from './finding.ts';
import type { CheckpointDefinition, Config, TrainingDefinition } from './schema.ts';

type HeadSettings = NonNullable<TrainingDefinition['head']>;

/** The method of a training block: its own, or `bct` where there is an old checkpoint to stay compatible with. */
export function methodOf({ method, old }: Pick<TrainingDefinition, 'method' | 'old'>): NonNullable<typeof method> {
  return method ?? (old === undefined ? 'independent' : 'bct');
}

/** What does not fit together in what a training block minimises. */
export function objectiveFindings(name: string, block: TrainingDefinition, config: Config): Finding[] {
  const findings: Finding[] = [];
  const path = ['training', name];
  const add = (key: string, at: Finding['at'], message: string, remedy: string): void => {
    findings.push({ path: [...path, key], at, message: `${pathText(path)}: ${message}`, remedy });
  };
  const { old, oldHead } = block;
  const used = methodOf(block);
  if (used !== 'independent' && old === undefined) {
    const remedy = 'Name "old", or set "method": "independent".';
    add('method', 'value', `the method "${used}" needs an old checkpoint to stay compatible with.`, remedy);
  }
  if (oldHead !== undefined && used !== 'bct') {
    const remedy = 'Remove "oldHead", or set "method": "bct".';
    add('oldHead', 'key', `"oldHead" goes with the method "bct", this is "${used}".`, remedy);
  }
  for (const key of ['contrastive', 'mixbct'] as const) {
    if (block[key] === undefined || used === key) continue;
    const remedy = `Remove "${key}", or set "method": "${key}".`;
    add(key, 'key', `"${key}" are settings of the method of that name, this is "${used}".`, remedy);
  }
  if (Array.isArray(block.lambda) && (used === 'independent' || used === 'mixbct')) {
    const remedy = 'Remove "lambda", or choose another method.';
    add(
      'lambda',
      'key',
      `the method "${used}" has no loss that "lambda" weighs, so there is nothing to sweep.`,
      remedy,
    );
  }
  if (oldHead === 'checkpoint' && old !== undefined) {
    const definition = Object.hasOwn(config.checkpoints ?? {}, old) ? config.checkpoints?.[old] : undefined;
    if (definition && !mayHaveHead(definition)) {
      const what =
        'vectors' in definition ? 'is a table of vectors' : 'is no ONNX file, whose classifier could be found,';
      add(
        'oldHead',
        'value',
        `the checkpoint ${JSON.stringify(old)} ${what} and names no head.`,
        `Give ${JSON.stringify(old)} a "head" with "weights", or set "oldHead": "synthesised".`,
      );
    }
  }
  return [...findings, ...headFindings([...path, 'head'], block.head)];
}

function mayHaveHead(definition: CheckpointDefinition): boolean {
  if (definition.head?.weights !== undefined) return true;
  return 'model' in definition && /\.onnx$/i.test(definition.model);
}

/** What does not fit together in the head of a checkpoint. */
export function trainedHeadFindings(name: string, definition: CheckpointDefinition): Finding[] {
  const { head } = definition;
  const path = ['checkpoints', name, 'head'];
  const findings = headFindings(path, head);
  if (head === undefined) return findings;
  const add = (key: string | null, at: Finding['at'], message: string, remedy: string): void => {
    const place = key === null ? path : [...path, key];
    findings.push({ path: place, at, message: `${pathText(path)} ${message}`, remedy });
  };
  if ('vectors' in definition && head.weights === undefined) {
    add(null, 'key', 'names no file: a table of vectors holds no classifier.', 'Add "weights".');
  }
  const twice = head.classes?.find((one, index) => head.classes?.indexOf(one) !== index);
  if (twice !== undefined) {
    add('classes', 'value', `names the class ${JSON.stringify(twice)} twice.`, 'Give each row a class of its own.');
  }
  if (head.normalised !== undefined && head.kind !== undefined && head.kind !== 'linear') {
    const remedy = 'Remove "normalised".';
    add('normalised', 'key', `is of the kind "${head.kind}", which always normalises vectors.`, remedy);
  }
  return findings;
}

function headFindings(path: JsonPath, head: HeadSettings | undefined): Finding[] {
  const findings: Finding[] = [];
  if (head?.temperature !== undefined && head.scale !== undefined) {
    findings.push({
      path: [...path, 'scale'],
      at: 'key',
      message: `${pathText(path)} gives both "temperature" and "scale".`,
      remedy: 'Keep one: scale is 1 / temperature.',
      removable: true,
    });
  }
  if (head?.margin !== undefined && (head.kind === 'linear' || head.kind === 'nsoftmax')) {
    findings.push({
      path: [...path, 'margin'],
      at: 'key',
      message: `${pathText(path)} has a margin, which a head of the kind "${head.kind}" does not use.`,
      remedy: 'Remove "margin", or choose "cosface" or "arcface".',
    });
  }
  return findings;
}

import path from 'node:path';
import * as vscode from 'vscode';
import { problemOfName } from './auditDraft.ts';
import { freeName } from './configEdits.ts';
import { type ConfigParts, partsOf, referencesOf, writeConfigEntries } from './configParts.ts';
import type { ConfiguredPair, FoundConfig } from './configStore.ts';
import { back, type Choice, chooseStep, enterStep, groupLine, runSteps } from './multiStep.ts';
import type { Services } from './services.ts';
import type { StartableRun } from './startRun.ts';
import { trainableWords } from './words.ts';

/** What makes the new model compatible, as the config names it; the first is the default. */
const methods = [
  ['bct', 'the old classifier judges the new vectors, too'],
  ['l2', 'new vectors are drawn to the old ones of the same items'],
  ['contrastive', 'old and new vectors of a class attract, of others repel'],
  ['mixbct', 'old vectors of credible items are mixed among the new ones'],
  ['advbct-boundary', 'new vectors stay within the old ones of their class'],
] as const;

/** Of a built-in network where the old model does not say it. */
const USUAL_DIMENSION = 128;

/** A training block, and whether it is there already. */
type Block = { kind: 'there'; name: string } | { kind: 'new' };

/**
 * Asks which block trains a model that is compatible with a pair's old one; writes a new block into the config where none fits.
 * @returns the training that can be started
 * @throws BackcompatError `cancelled` when the user leaves
 */
export async function trainModel(services: Services, config: FoundConfig, pair: ConfiguredPair): Promise<StartableRun> {
  const parts = partsOf(config.text);
  const fitting = config.training.filter(({ old }) => old === pair.old);
  const { queries, gallery } = parts.pairs[pair.name] ?? {};
  const isTable = (name: string) => parts.checkpoints.find((one) => one.name === name)?.isTable ?? false;
  let block: Block = { kind: 'new' };
  let from = 'builtin:convnet';
  let data = '';
  let method: string = methods[0][0];
  let dimension = '';
  let name = '';

  await runSteps(vscode.l10n.t('Train Compatible Model'), [
    {
      applies: () => fitting.length > 0,
      ask: async (position) => {
        const placeholder = vscode.l10n.t('A model that is compatible with {0}', pair.old);
        const chosen = await chooseStep<Block>(position, placeholder, () => [
          ...fitting.map((one): Choice<Block> => {
            return { label: one.name, description: one.from, value: { kind: 'there', name: one.name } };
          }),
          groupLine(''),
          { label: `$(add) ${vscode.l10n.t('New training block…')}`, value: { kind: 'new' } },
        ]);
        if (chosen === back) return back;
        block = chosen;
        return undefined;
      },
    },
    {
      applies: () => block.kind === 'new',
      ask: async (position) => {
        const chosen = await chooseStep(position, vscode.l10n.t('Which network starts the training?'), () =>
          startChoices(services, config, parts, pair),
        );
        if (chosen === back) return back;
        from = chosen;
        return undefined;
      },
    },
    {
      applies: () => block.kind === 'new' && from.startsWith('builtin:'),
      ask: async (position) => {
        const entered = await enterStep(position, {
          prompt: vscode.l10n.t('Length of the new vectors; that of {0} needs no rule', pair.old),
          value: dimension || String((await dimensionOf(services, config, parts, pair.old)) ?? USUAL_DIMENSION),
          problemOf: (text) => (/^[1-9]\d{0,5}$/.test(text) ? null : vscode.l10n.t('A whole number is needed.')),
        });
        if (entered === back) return back;
        dimension = entered;
        return undefined;
      },
    },
    {
      applies: () => block.kind === 'new',
      ask: async (position) => {
        const chosen = await chooseStep(position, vscode.l10n.t('Which items is it trained on?'), () =>
          dataChoices(parts, [queries, gallery]),
        );
        if (chosen === back) return back;
        data = chosen;
        return undefined;
      },
    },
    {
      applies: () => block.kind === 'new',
      ask: async (position) => {
        const chosen = await chooseStep<string>(position, vscode.l10n.t('What makes it compatible?'), () =>
          methods.map(([label, description]) => ({ label, description, value: label })),
        );
        if (chosen === back) return back;
        method = chosen;
        return undefined;
      },
    },
    {
      applies: () => block.kind === 'new',
      ask: async (position) => {
        const taken = [...parts.training, ...parts.checkpoints].map((one) => one.name);
        const entered = await enterStep(position, {
          prompt: vscode.l10n.t('Name of the training block, and of the checkpoint that it makes'),
          value: name || freeName(`${pair.new}-${method}`, taken),
          problemOf: (text) => problemOfName(text, taken),
        });
        if (entered === back) return back;
        name = entered;
        return undefined;
      },
    },
  ]);

  // The steps have changed it.
  const chosen = block as Block;
  if (chosen.kind === 'there') return { kind: 'train', config: config.uri, name: chosen.name };
  const definition = {
    from,
    ...(from.startsWith('builtin:') ? { dimension: Number(dimension) } : {}),
    old: pair.old,
    data,
    ...(gallery === undefined ? {} : { evaluate: { ...(queries === undefined ? {} : { queries }), gallery } }),
    method,
    // The tax is measured against it; a table has no network behind it that could be the paragon.
    paragon: !isTable(pair.new) && from === pair.new ? pair.new : true,
  };
  await writeConfigEntries(config.uri, config, [{ path: ['training', name], value: definition }]);
  await services.configs.refresh();
  return { kind: 'train', config: config.uri, name };
}

async function startChoices(
  services: Services,
  config: FoundConfig,
  parts: ConfigParts,
  pair: ConfiguredPair,
): Promise<Choice<string>[]> {
  const files = await services.checkpoints.files();
  const models = parts.checkpoints.flatMap(({ name, isTable, files: own }): Choice<string>[] => {
    const file = own[0] === undefined ? null : path.resolve(path.dirname(config.uri.fsPath), own[0]);
    const inspection = files.find(({ uri }) => uri.fsPath === file)?.inspection ?? null;
    const trainable = inspection === null ? null : trainableWords(inspection);
    if (isTable || trainable === 'not trainable') return [];
    const words = [name === pair.new ? vscode.l10n.t('the new model') : null, inspection?.format, trainable]
      .filter(Boolean)
      .join(', ');
    return [{ label: name, description: words, detail: own[0], value: name }];
  });
  const role = vscode.l10n.t('the new model');
  models.push(
    ...parts.training
      .filter(({ name }) => name !== pair.old)
      .map(({ name }) => {
        const result = vscode.l10n.t('result of the latest training');
        return { label: name, description: name === pair.new ? `${role}, ${result}` : result, value: name };
      }),
  );
  // What is usually meant comes first.
  models.sort((a, b) => Number(b.value === pair.new) - Number(a.value === pair.new));
  return [
    ...(models.length > 0 ? [groupLine(vscode.l10n.t('Checkpoints of the config')), ...models] : []),
    groupLine(vscode.l10n.t('Built-in networks, from random weights')),
    {
      label: 'builtin:convnet',
      description: vscode.l10n.t('small, for small images and a first try'),
      value: 'builtin:convnet',
    },
    { label: 'builtin:resnet18', description: vscode.l10n.t('ResNet-18'), value: 'builtin:resnet18' },
  ];
}

async function dimensionOf(
  services: Services,
  config: FoundConfig,
  parts: ConfigParts,
  checkpoint: string,
): Promise<number | null> {
  const trained = parts.training.find(({ name }) => name === checkpoint)?.dimension;
  if (trained != null) return trained;
  const [file] = parts.checkpoints.find(({ name }) => name === checkpoint)?.files ?? [];
  if (file === undefined) return null;
  const absolute = path.resolve(path.dirname(config.uri.fsPath), file);
  const files = await services.checkpoints.files();
  return files.find(({ uri }) => uri.fsPath === absolute)?.inspection?.dimension ?? null;
}

/** Parts called train first; what the model is judged on last, with a warning. */
function dataChoices(parts: ConfigParts, judged: readonly (string | undefined)[]): Choice<string>[] {
  const rank = (reference: string) => (judged.includes(reference) ? 2 : /\/train/i.test(reference) ? 0 : 1);
  return referencesOf(parts)
    .sort((a, b) => rank(a) - rank(b))
    .map((reference) => ({
      label: reference,
      description: judged.includes(reference)
        ? vscode.l10n.t('the model would be judged on what it has seen')
        : undefined,
      value: reference,
    }));
}

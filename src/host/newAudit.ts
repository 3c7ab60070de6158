import path from 'node:path';
import * as vscode from 'vscode';
import {
  auditEntries,
  type CheckpointAnswer,
  type DimensionRule,
  type ItemsAnswer,
  nameOfFile,
  problemOfName,
} from './auditDraft.ts';
import { askCheckpoint, askLabels, type ChosenCheckpoint } from './checkpointStep.ts';
import { freeName } from './configEdits.ts';
import { type ConfigParts, newConfigUri, partsOf, referencesOf, writeConfigEntries } from './configParts.ts';
import type { FoundConfig } from './configStore.ts';
import { findDatasets } from './findItems.ts';
import { inspectFiles } from './inspectFiles.ts';
import {
  back,
  type Choice,
  chooseStep,
  enterStep,
  groupLine,
  runSteps,
  type Step,
  type StepPosition,
} from './multiStep.ts';
import type { Services } from './services.ts';
import type { StartableRun } from './startRun.ts';
import { recognisedWords } from './words.ts';

const browse = Symbol('browse');

/** What a command knows already, from "Use as Old" and "Use as New". */
export interface KnownSides {
  old?: ChosenCheckpoint;
  new?: ChosenCheckpoint;
}

/**
 * Asks for old, new and data, and writes a pair into a config, which is made where there is none.
 * @returns the audit that can be started; undefined when there is no folder to write into
 * @throws BackcompatError `cancelled` when the user leaves
 */
export async function newAudit(services: Services, known: KnownSides = {}): Promise<StartableRun | undefined> {
  const target = newConfigUri();
  if (target === undefined) {
    void vscode.window.showInformationMessage(vscode.l10n.t('Open a folder first: the config is written into it.'));
    return undefined;
  }
  await services.configs.refresh();
  const configs = services.configs.configs;
  let config: FoundConfig | undefined = configs[0];
  let older = known.old;
  let newer = known.new;
  let gallery: ItemsAnswer | undefined;
  let queries: string | null = null;
  let dimensionRule: DimensionRule | null = null;
  let name = '';

  const uri = () => config?.uri ?? target;
  const folder = () => path.dirname(uri().fsPath);
  const parts = (): ConfigParts => partsOf(config?.text ?? null);
  const isTable = (side: ChosenCheckpoint | undefined): side is ChosenCheckpoint & { answer: { kind: 'table' } } =>
    side?.answer.kind === 'table';
  const differ = () => older?.dimension != null && newer?.dimension != null && older.dimension !== newer.dimension;

  const steps: Step[] = [
    {
      applies: () => configs.length > 1,
      ask: async (position) => {
        const chosen = await chooseStep<FoundConfig | null>(position, vscode.l10n.t('Into which config?'), () => [
          ...configs.map((value) => ({ label: value.label, value })),
          ...(configs.some((one) => one.uri.fsPath === target.fsPath)
            ? []
            : [{ label: `$(new-file) ${vscode.workspace.asRelativePath(target)}`, value: null }]),
        ]);
        if (chosen === back) return back;
        config = chosen ?? undefined;
        return undefined;
      },
    },
    {
      applies: () => known.old === undefined,
      ask: async (position) => {
        const placeholder = vscode.l10n.t('The old model, which filled the gallery');
        const options = { placeholder, parts: parts(), folder: folder(), except: known.new?.answer };
        const chosen = await askCheckpoint(services, position, options);
        if (chosen === back) return back;
        older = chosen;
        return undefined;
      },
    },
    {
      applies: () => isTable(older),
      ask: async (position) => {
        const labels = await labelsOf(older as ChosenCheckpoint, position);
        if (labels === back) return back;
        older = labels;
        return undefined;
      },
    },
    {
      applies: () => known.new === undefined,
      ask: async (position) => {
        const placeholder = vscode.l10n.t('The new model, which makes the queries');
        const options = { placeholder, parts: parts(), folder: folder(), except: older?.answer };
        const chosen = await askCheckpoint(services, position, options);
        if (chosen === back) return back;
        newer = chosen;
        return undefined;
      },
    },
    {
      applies: () => isTable(newer),
      ask: async (position) => {
        const labels = await labelsOf(newer as ChosenCheckpoint, position);
        if (labels === back) return back;
        newer = labels;
        return undefined;
      },
    },
    {
      applies: differ,
      ask: async (position) => {
        const chosen = await chooseStep(
          position,
          vscode.l10n.t(
            'Old vectors have {0} numbers, new ones {1}. How shall they meet?',
            older?.dimension ?? 0,
            newer?.dimension ?? 0,
          ),
          () => rulesFor(older?.dimension ?? 0, newer?.dimension ?? 0),
        );
        if (chosen === back) return back;
        dimensionRule = chosen;
        return undefined;
      },
    },
    {
      ask: async (position) => {
        const chosen = await askGallery(services, position, parts(), [older?.answer, newer?.answer]);
        if (chosen === back) return back;
        gallery = chosen;
        return undefined;
      },
    },
    {
      applies: () => gallery?.kind !== 'named' || referencesOf(parts()).length > 1,
      ask: async (position) => {
        const chosen = await chooseStep(position, vscode.l10n.t('The queries'), () => queryChoices(parts(), gallery));
        if (chosen === back) return back;
        queries = chosen;
        return undefined;
      },
    },
    {
      ask: async (position) => {
        const taken = Object.keys(parts().pairs);
        const base = `${nameOf(older?.answer)}-${nameOf(newer?.answer)}`;
        const entered = await enterStep(position, {
          prompt: vscode.l10n.t('Name of the pair in {0}', vscode.workspace.asRelativePath(uri())),
          value: name || freeName(base, taken),
          problemOf: (text) => problemOfName(text, taken),
        });
        if (entered === back) return back;
        name = entered;
        return undefined;
      },
    },
  ];

  async function labelsOf(side: ChosenCheckpoint, position: Parameters<Step['ask']>[0]) {
    if (side.answer.kind !== 'table') return side;
    const labels = await askLabels(services, position, { file: side.answer.file, count: side.count });
    return labels === back ? back : { ...side, answer: { ...side.answer, labels } };
  }

  await runSteps(vscode.l10n.t('New Audit'), steps);
  if (older === undefined || newer === undefined || gallery === undefined) return undefined;
  const { datasets, checkpoints, training } = parts();
  const entries = auditEntries(
    { old: older.answer, new: newer.answer, gallery, queries, dimensionRule: differ() ? dimensionRule : null, name },
    folder(),
    {
      datasets: datasets.map((one) => one.name),
      // A checkpoint may not be called like a training block.
      checkpoints: [...checkpoints, ...training].map((one) => one.name),
    },
  );
  await writeConfigEntries(uri(), config, entries);
  await services.configs.refresh();
  return { kind: 'audit', config: uri(), name };
}

function nameOf(answer: CheckpointAnswer | undefined): string {
  if (answer === undefined) return '';
  return answer.kind === 'named' ? answer.name : nameOfFile(answer.file);
}

function rulesFor(old: number, newer: number): Choice<DimensionRule>[] {
  const project: Choice<DimensionRule> = {
    label: 'project',
    description: vscode.l10n.t('an adapter is fitted, on items that are not judged with it'),
    value: 'project',
  };
  const plain: Choice<DimensionRule> =
    newer > old
      ? { label: 'slice', description: vscode.l10n.t('the first {0} numbers of the new vectors', old), value: 'slice' }
      : { label: 'pad', description: vscode.l10n.t('zeros behind the new vectors'), value: 'pad' };
  return [plain, project];
}

async function askGallery(
  services: Services,
  position: StepPosition,
  parts: ConfigParts,
  sides: readonly (CheckpointAnswer | undefined)[],
): Promise<ItemsAnswer | typeof back> {
  const placeholder = vscode.l10n.t('The gallery: the items that are searched');
  for (;;) {
    const chosen = await chooseStep(position, placeholder, () => galleryChoices(services, parts, sides));
    if (chosen !== browse) return chosen;
    const options = { title: placeholder, canSelectFiles: false, canSelectFolders: true };
    const folder = (await vscode.window.showOpenDialog(options))?.[0]?.fsPath;
    if (folder === undefined) continue;
    const [inspection] = await inspectFiles(services, [folder]);
    if (inspection?.audit.possible && inspection.audit.as === 'dataset') return { kind: 'images', folder };
    const why = inspection?.audit.reason ?? vscode.l10n.t('There are no images by class in it.');
    await vscode.window.showWarningMessage(`${path.basename(folder)}: ${why}`, { modal: true });
  }
}

async function galleryChoices(
  services: Services,
  parts: ConfigParts,
  sides: readonly (CheckpointAnswer | undefined)[],
): Promise<Choice<ItemsAnswer | typeof browse>[]> {
  const named = referencesOf(parts).map((reference): Choice<ItemsAnswer> => {
    return { label: reference, value: { kind: 'named', reference } };
  });
  const labels = new Set(sides.flatMap((side) => (side?.kind === 'table' ? [side.labels ?? side.file] : [])));
  const rows = [...labels].map((file): Choice<ItemsAnswer> => {
    return {
      label: vscode.workspace.asRelativePath(file),
      description: vscode.l10n.t('the rows of the table'),
      value: { kind: 'labels', file },
    };
  });
  // Vectors are there for their own rows only.
  const found = labels.size > 0 ? [] : await findDatasets(services);
  const files = found.map(({ answer, label, inspection }): Choice<ItemsAnswer> => {
    return { label, description: recognisedWords(inspection), value: answer };
  });
  const browsed: Choice<typeof browse> = {
    label: `$(folder-opened) ${vscode.l10n.t('Choose a folder of images…')}`,
    value: browse,
    alwaysShow: true,
  };
  return [
    ...(rows.length > 0 ? [groupLine(vscode.l10n.t('Labels of the vectors')), ...rows] : []),
    ...(named.length > 0 ? [groupLine(vscode.l10n.t('In the config')), ...named] : []),
    ...(files.length > 0 ? [groupLine(vscode.l10n.t('Found in the workspace')), ...files] : []),
    ...(labels.size > 0 ? [] : [browsed]),
  ];
}

function queryChoices(parts: ConfigParts, gallery: ItemsAnswer | undefined): Choice<string | null>[] {
  const galleryName = gallery?.kind === 'named' ? gallery.reference : null;
  const [dataset] = galleryName?.split('/') ?? [];
  const others = referencesOf(parts)
    .filter((reference) => reference !== galleryName)
    // Parts of the gallery's own dataset come first.
    .sort((a, b) => Number(b.startsWith(`${dataset}/`)) - Number(a.startsWith(`${dataset}/`)));
  return [
    {
      label: vscode.l10n.t("The gallery's own items"),
      description: vscode.l10n.t('each is asked without itself'),
      value: null,
    },
    ...others.map((reference) => ({ label: reference, value: reference })),
  ];
}

import * as vscode from 'vscode';
import { cancelledError } from '../core/contract/errors.ts';

/** What a step gives when the user goes back. */
export const back = Symbol('back');

export interface Choice<T> extends vscode.QuickPickItem {
  value: T;
}

/** A line between groups of choices. */
export function groupLine(label: string): Choice<never> {
  return { label, kind: vscode.QuickPickItemKind.Separator } as Choice<never>;
}

/** Where a step stands among those that apply. */
export interface StepPosition {
  title: string;
  step: number;
  total: number;
}

export interface Step {
  /** Whether the answers so far leave anything to ask; asked again at each step. */
  applies?(): boolean;
  /** Asks, and keeps the answer. @returns {@link back} to go to the step before */
  ask(position: StepPosition): Promise<typeof back | undefined>;
}

/**
 * Asks one step after the other; Back goes to the one before.
 * @throws BackcompatError `cancelled` when the user leaves
 */
export async function runSteps(title: string, steps: readonly Step[]): Promise<void> {
  const asked: Step[] = [];
  for (;;) {
    const next = steps.slice(asked.length === 0 ? 0 : steps.indexOf(asked.at(-1) as Step) + 1).find(isAsked);
    if (next === undefined) return;
    const total = Math.max(asked.length + 1, steps.filter(isAsked).length);
    const answer = await next.ask({ title, step: asked.length + 1, total });
    if (answer !== back) asked.push(next);
    else {
      // The step before is asked again.
      asked.pop();
    }
  }
}

function isAsked(step: Step): boolean {
  return step.applies?.() ?? true;
}

/**
 * One list to choose from, which fills when `load` has come.
 * @throws BackcompatError `cancelled` when the user leaves
 */
export function chooseStep<T>(
  { title, step, total }: StepPosition,
  placeholder: string,
  load: () => Promise<readonly Choice<T>[]> | readonly Choice<T>[],
): Promise<T | typeof back> {
  const input = vscode.window.createQuickPick<Choice<T>>();
  Object.assign(input, { title, step, totalSteps: total, placeholder, ignoreFocusOut: true });
  Object.assign(input, { matchOnDescription: true, matchOnDetail: true });
  if (step > 1) input.buttons = [vscode.QuickInputButtons.Back];
  return new Promise<T | typeof back>((resolve, reject) => {
    input.onDidAccept(() => {
      const [chosen] = input.selectedItems;
      if (chosen !== undefined) resolve(chosen.value);
    });
    input.onDidTriggerButton(() => resolve(back));
    input.onDidHide(() => reject(cancelledError()));
    input.show();
    input.busy = true;
    Promise.resolve()
      .then(load)
      .then((choices) => {
        input.items = choices;
        input.busy = false;
      })
      .catch(reject);
  }).finally(() => input.dispose());
}

/** One line of text. @throws BackcompatError `cancelled` when the user leaves */
export function enterStep(
  { title, step, total }: StepPosition,
  { prompt, value, problemOf }: { prompt: string; value: string; problemOf(text: string): string | null },
): Promise<string | typeof back> {
  const input = vscode.window.createInputBox();
  Object.assign(input, { title, step, totalSteps: total, prompt, value, ignoreFocusOut: true });
  if (step > 1) input.buttons = [vscode.QuickInputButtons.Back];
  return new Promise<string | typeof back>((resolve, reject) => {
    input.onDidChangeValue((text) => {
      input.validationMessage = problemOf(text.trim()) ?? undefined;
    });
    input.onDidAccept(() => {
      const text = input.value.trim();
      const problem = problemOf(text);
      if (problem === null) resolve(text);
      else input.validationMessage = problem;
    });
    input.onDidTriggerButton(() => resolve(back));
    input.onDidHide(() => reject(cancelledError()));
    input.show();
  }).finally(() => input.dispose());
}

/** What somebody who follows a training sees of it: its run, its record, its latest steps and the audits of what it made. */
import type { MetricName, RankingState, Report } from './report.ts';
import type { RunEvent, RunState, RunSummary } from './runs.ts';
import type { TrainingRecord } from './training.ts';

/** One or more steps of training as one point: the mean of each figure. */
export interface TrainingStep {
  /** The last of them. */
  step: number;
  loss: number;
  terms: Record<string, number>;
  millisecondsPerStep: number;
}

/** The audit of a part, as far as it stands beside others. */
export interface TrainingAudit {
  /** Of the part in the record. */
  folder: string;
  state: RankingState;
  summary: string;
  oldOld: number | null;
  newOld: number | null;
  newNew: number | null;
  tax: number | null;
  /** The paragon that the report was held against; null without one. */
  paragon: { name: string; newOld: number | null; newNew: number | null } | null;
}

export interface FollowedTraining {
  name: string;
  /** The old model by its name; null where there is none or it is not known. */
  oldName: string | null;
  state: RunState;
  phase: string | null;
  progress: RunSummary['progress'];
  /** ISO 8601, UTC. */
  started: string;
  updated: string;
  message: string | null;
  remedy: string | null;
  /** null before the training has read its data. */
  record: TrainingRecord | null;
  /** By folder of the part. */
  steps: Record<string, TrainingStep[]>;
  audits: TrainingAudit[];
}

/** The figures of a part's report that stand beside those of other parts. */
export function trainingAudit(folder: string, report: Report, criterionMetric: string): TrainingAudit {
  const metric = criterionMetric as MetricName;
  const { verdict, criterion, retrieval, tax, paragon, paragonCells } = report;
  return {
    folder,
    state: verdict.state,
    summary: verdict.summary,
    oldOld: criterion[metric]?.old ?? null,
    newOld: criterion[metric]?.new ?? null,
    newNew: retrieval.newNew?.[metric]?.value ?? null,
    tax: tax?.[metric] ?? null,
    paragon:
      paragon === null || paragonCells === null
        ? null
        : {
            name: paragon.name,
            newOld: paragonCells.newOld?.[metric]?.value ?? null,
            newNew: paragonCells.newNew[metric]?.value ?? null,
          },
  };
}

/** Points kept of a part: more than a chart has pixels for is not seen. */
export const STEP_POINTS = 300;

type StepEvent = Extract<RunEvent, { type: 'step' }>;

/** Steps of one part, thinned as they come. */
class StepSeries {
  /** Steps that a point stands for; doubles whenever the points are too many. */
  #width = 1;
  #points: { point: TrainingStep; weight: number }[] = [];

  add({ step, loss, terms, millisecondsPerStep }: StepEvent): void {
    // A resumed training makes steps again that were made after its last state.
    while ((this.#points.at(-1)?.point.step ?? -1) >= step) this.#points.pop();
    this.#merge({ point: { step, loss, terms, millisecondsPerStep }, weight: 1 });
    if (this.#points.length <= STEP_POINTS) return;
    this.#width *= 2;
    const all = this.#points;
    this.#points = [];
    for (const each of all) this.#merge(each);
  }

  get points(): TrainingStep[] {
    return this.#points.map(({ point }) => point);
  }

  #merge(next: { point: TrainingStep; weight: number }): void {
    const last = this.#points.at(-1);
    if (last === undefined || last.weight + next.weight > this.#width) this.#points.push(next);
    else this.#points[this.#points.length - 1] = merged(last, next);
  }
}

function merged(
  a: { point: TrainingStep; weight: number },
  b: { point: TrainingStep; weight: number },
): { point: TrainingStep; weight: number } {
  const weight = a.weight + b.weight;
  const mean = (one: number, other: number) => (one * a.weight + other * b.weight) / weight;
  const names = Object.keys(b.point.terms);
  return {
    weight,
    point: {
      step: b.point.step,
      loss: mean(a.point.loss, b.point.loss),
      terms: Object.fromEntries(
        names.map((name) => [name, mean(a.point.terms[name] ?? b.point.terms[name] ?? 0, b.point.terms[name] ?? 0)]),
      ),
      millisecondsPerStep: mean(a.point.millisecondsPerStep, b.point.millisecondsPerStep),
    },
  };
}

/** Gathers the steps of all parts of a run: at most {@link STEP_POINTS} points a part, however many steps there are. */
export class TrainingSteps {
  readonly #series = new Map<string, StepSeries>();

  add(event: RunEvent): void {
    if (event.type !== 'step') return;
    const series = this.#series.get(event.part) ?? new StepSeries();
    this.#series.set(event.part, series);
    series.add(event);
  }

  byPart(): Record<string, TrainingStep[]> {
    return Object.fromEntries([...this.#series].map(([part, series]) => [part, series.points]));
  }
}

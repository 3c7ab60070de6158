import path from 'node:path';
import { metricLabel, NO_FIGURE, number, signed } from '../core/contract/format.ts';
import type { MetricName, Report } from '../core/contract/report.ts';
import { RUN_FILES } from '../core/contract/runs.ts';
import { TRAINING_FILES, type TrainingPart, type TrainingRecord } from '../core/contract/training.ts';
import { partInView, standingOf, standingWords } from '../core/contract/trainingFindings.ts';
import { renderText, renderTextSummary } from '../core/report/renderText.ts';
import { readReport } from '../core/report/reportFile.ts';
import { type Column, createPaint, tableLines } from '../core/report/terminal.ts';
import { trainedSentence } from './computeTrain.ts';
import { type Output, shownPath } from './output.ts';

/** What a finished training says: the verdict, old, new and paragon side by side, and where everything lies. */
export async function trainSummary(
  directory: string,
  record: TrainingRecord,
  report: Report | null,
  output: Output,
  isFull: boolean,
): Promise<string> {
  const { width, colour } = output;
  const said =
    report === null
      ? `${trainedSentence(record)}\n`
      : (isFull ? renderText : renderTextSummary)(report, { width, colour, full: isFull });
  const rows = await Promise.all(record.parts.map((part) => rowOf(directory, part, record)));
  const old = report === null ? [] : [oldRow(report, record), ...namedParagonRow(report, record)];
  const columns: Column[] = [
    { title: metricLabel(record.criterionMetric), align: 'left' },
    ...['old gallery', 'own gallery', 'tax'].map((title) => ({ title, align: 'right' as const })),
    { title: '', align: 'left' },
  ];
  const cells = [...old, ...rows].map((row) => row.map((text) => ({ text })));
  const table = tableLines(columns, cells, createPaint(colour));
  return [said, ...standingLine(record), ...table, '', ...places(directory, record, report), ''].join('\n');
}

/** How the result came to stand on the held-out items while it was trained; nothing where there is nothing to say. */
function standingLine(record: TrainingRecord): string[] {
  const part = partInView(record);
  const epochs = part?.epochs.filter(({ epoch }) => part.resultEpoch === null || epoch <= part.resultEpoch) ?? [];
  const words = standingWords(standingOf(epochs, record.criterionMetric));
  return part === null || words === null ? [] : [`On held-out items ${part.title} ${words}.`, ''];
}

async function rowOf(
  directory: string,
  part: TrainingPart,
  { criterionMetric, chosen }: TrainingRecord,
): Promise<string[]> {
  const metric = criterionMetric as MetricName;
  const mark = part.folder === chosen && part.folder !== '' ? '  (the result)' : '';
  if (part.report !== null) {
    const report = await readReport(path.join(directory, part.report));
    const { retrieval, criterion, tax } = report;
    const cost = tax?.[metric];
    return [
      part.title,
      number(criterion[metric]?.new),
      number(retrieval.newNew?.[metric]?.value),
      cost === undefined ? NO_FIGURE : signed(cost),
      `${report.verdict.state}${mark}`,
    ];
  }
  const figures = part.epochs.find(({ epoch }) => epoch === part.resultEpoch);
  return [part.title, number(figures?.newOld?.[metric]), number(figures?.newNew?.[metric]), NO_FIGURE, mark];
}

function oldRow(report: Report, { criterionMetric }: TrainingRecord): string[] {
  const old = number(report.criterion[criterionMetric as MetricName]?.old);
  return [`old ${report.old.name}`, old, old, NO_FIGURE, ''];
}

/** A paragon that the run did not train itself. */
function namedParagonRow({ paragon, paragonCells }: Report, { criterionMetric, parts }: TrainingRecord): string[][] {
  if (paragon === null || paragonCells === null || parts.some(({ folder }) => folder === TRAINING_FILES.paragon)) {
    return [];
  }
  const metric = criterionMetric as MetricName;
  const { newOld, newNew } = paragonCells;
  const name = `paragon ${paragon.name}`;
  return [[name, number(newOld?.[metric]?.value), number(newNew[metric]?.value), NO_FIGURE, '']];
}

function places(directory: string, { name, parts, chosen }: TrainingRecord, report: Report | null): string[] {
  const model = parts.find(({ folder }) => folder === chosen)?.model;
  const at = (file: string) => shownPath(path.join(directory, file));
  return [
    `Model:  ${at(path.basename(model ?? 'model.onnx'))}`,
    `Head:   ${at(TRAINING_FILES.head)}`,
    ...(report === null ? [] : [`HTML:   ${at(RUN_FILES.html)}`]),
    `Use it in the config as the checkpoint ${JSON.stringify(name)}, for example "new": ${JSON.stringify(name)} of a pair.`,
  ];
}

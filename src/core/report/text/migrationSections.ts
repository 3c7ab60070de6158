import { rankingWords } from '../../contract/findings.ts';
import {
  count,
  counted,
  interval,
  metricLabel,
  number,
  percent,
  signed,
  signedInterval,
} from '../../contract/format.ts';
import {
  agreementTitle,
  backfillOrderWords,
  backfillQueriesWords,
  backfillSummaries,
  backfillTitle,
  matrixFigures,
  matrixTitle,
  slicesTitle,
} from '../../contract/migrationFindings.ts';
import type { BackfillPoint, MetricName } from '../../contract/report.ts';
import { dataText, padEnd, tableLines } from '../terminal.ts';
import { type Canvas, icons, inks, NAME_WIDTH, remark, titled } from './canvas.ts';

const blocks = '▁▂▃▄▅▆▇█';

/** A curve in one line; `low` and `high` are those of all curves beside it. */
function sparkline(values: readonly number[], low: number, high: number): string {
  const steps = blocks.length - 1;
  const at = (value: number) => (high > low ? Math.round(((value - low) / (high - low)) * steps) : 0);
  return values.map((value) => blocks[at(value)] ?? ' ').join('');
}

/** What each share of a re-embedded gallery gives, a line an order. */
export function backfill(canvas: Canvas): string[] {
  const { report, paint } = canvas;
  const { metric } = report.verdict;
  const curveOf = (order: keyof typeof backfillOrderWords) => valuesOf(report.backfill?.[order] ?? [], metric);
  const rows = backfillSummaries(report, metric).map((row) => ({ ...row, values: curveOf(row.order) }));
  if (rows.length === 0) return [];
  const all = rows.flatMap(({ values }) => values);
  const [low, high] = [Math.min(...all), Math.max(...all)];
  const reached = (share: number | null) => (share === null ? 'never' : percent(share));
  return [
    ...titled(
      canvas,
      backfillTitle(report),
      `${metricLabel(metric)} of new queries from none to all of the gallery re-embedded, ${number(low)} to ${number(high)}; first share that reaches all old, all new${backfillQueriesWords(report)}.`,
    ),
    '',
    ...tableLines(
      [
        { title: 'Order', align: 'left' },
        { title: '0 to 100 %', align: 'left' },
        { title: 'Area', align: 'right' },
        { title: 'Worst', align: 'right' },
        { title: 'at', align: 'right' },
        { title: 'Old', align: 'right' },
        { title: 'New', align: 'right' },
      ],
      rows.map(({ order, summary, values }) => [
        { text: backfillOrderWords[order].name },
        { text: sparkline(values, low, high) },
        { text: number(summary.area) },
        { text: number(summary.worst.value) },
        { text: percent(summary.worst.share) },
        { text: reached(summary.reachesOldOld) },
        { text: reached(summary.reachesNewNew) },
      ]),
      paint,
    ),
  ];
}

function valuesOf(curve: readonly BackfillPoint[], metric: MetricName): number[] {
  return curve.flatMap((point) => point[metric] ?? []);
}

/** Values of a column that are shown; the report holds all. */
const SLICES = 12;

/** The criterion for each value of each metadata column, worst first. */
export function slices(canvas: Canvas): string[] {
  const { report, width, paint } = canvas;
  const { metric } = report.verdict;
  return Object.entries(report.slices).flatMap(([column, entries], index) => {
    const difference = (entry: (typeof entries)[number]) => entry.criterion[metric]?.difference ?? Infinity;
    const sorted = [...entries].sort((a, b) => difference(a) - difference(b));
    const rest = sorted.length - SLICES;
    const table = tableLines(
      [
        { title: 'Value', align: 'left' },
        { title: 'Queries', align: 'right' },
        { title: 'Old', align: 'right' },
        { title: 'New', align: 'right' },
        { title: 'Difference', align: 'right' },
        { title: 'Interval', align: 'left' },
        { title: 'State', align: 'left' },
      ],
      sorted.slice(0, SLICES).map((entry) => {
        const found = entry.criterion[metric];
        const look = found ? rankingWords[found.state] : null;
        return [
          { text: dataText(entry.value, Math.min(NAME_WIDTH, width - 66)) },
          { text: count(entry.queries) },
          { text: number(found?.old) },
          { text: number(found?.new) },
          { text: signed(found?.difference) },
          { text: signedInterval(found?.interval), ink: 'dim' as const },
          look ? { text: `${icons[look.tone]} ${look.word}`, ink: inks[look.tone] } : { text: '' },
        ];
      }),
      paint,
    );
    return [
      ...(index > 0 ? [''] : []),
      ...titled(
        canvas,
        slicesTitle(report, dataText(column, NAME_WIDTH)),
        `${metricLabel(metric)} by value, worst first.`,
      ),
      '',
      ...table,
      ...(rest > 0 ? remark(canvas, `and ${count(rest)} more, all in the report`) : []),
    ];
  });
}

/** Versions that fit a terminal's line. */
const VERSIONS = 8;

/** Every newer model on every older gallery. */
export function matrix(canvas: Canvas): string[] {
  const { report, paint } = canvas;
  const { matrix: found } = report;
  const { metric } = report.verdict;
  const values = found?.[metric];
  if (!found || !values) return [];
  // The newest stay: what is decided is about them.
  const first = Math.max(0, found.versions.length - VERSIONS);
  const shown = found.versions.slice(first);
  const figures = matrixFigures.flatMap(({ key, name, what }) => {
    const figure = found[key];
    return figure === null
      ? []
      : remark(canvas, `${name} ${key === 'bc' || key === 'fc' ? signed(figure) : number(figure)}: ${what}.`);
  });
  return [
    ...titled(
      canvas,
      matrixTitle(report),
      `${metricLabel(metric)} of the queries of a version (row) in the gallery of each older one (column).`,
    ),
    '',
    ...tableLines(
      [
        { title: 'Queries', align: 'left' },
        ...shown.map((_, k) => ({ title: `${first + k + 1}`, align: 'right' as const })),
      ],
      shown.map((version, row) => [
        { text: padEnd(`${first + row + 1} ${dataText(version, NAME_WIDTH - 4)}`, 12) },
        ...shown.map((_, k) => {
          const own = k === row;
          return { text: k > row ? '' : number(values[first + row]?.[first + k]), ink: own ? ('dim' as const) : null };
        }),
      ]),
      paint,
    ),
    ...(first > 0 ? remark(canvas, `The ${counted(first, 'oldest version')} are in the report.`) : []),
    ...figures,
  ];
}

/** How many neighbours stay, how far vectors move: what can be told without labels. */
export function agreement(canvas: Canvas): string[] {
  const { report, paint } = canvas;
  const { agreement: found } = report;
  if (!found) return [];
  const { displacement, procrustesResidual } = found;
  const moved =
    displacement === null
      ? []
      : remark(
          canvas,
          `The same item's vectors lie ${number(displacement.mean)} apart on average (median ${number(displacement.median)}, 95 % within ${number(displacement.p95)}).`,
        );
  const residual =
    procrustesResidual === null
      ? []
      : remark(
          canvas,
          `The best rotation leaves a residual of ${number(procrustesResidual)}; 0 would be a mere rotation.`,
        );
  return [
    ...titled(
      canvas,
      agreementTitle(report),
      `Share of the nearest gallery items in common with old/old; ${counted(found.queries, 'query', 'queries')}.`,
    ),
    '',
    ...tableLines(
      [
        { title: 'Nearest', align: 'right' },
        { title: 'new/old', align: 'right' },
        { title: 'Interval', align: 'left' },
        { title: 'new/new', align: 'right' },
        { title: 'Interval', align: 'left' },
      ],
      found.neighbourOverlap.map(({ k, newOld, newNew }) => [
        { text: count(k) },
        { text: number(newOld?.value) },
        { text: interval(newOld?.interval), ink: 'dim' as const },
        { text: number(newNew?.value) },
        { text: interval(newNew?.interval), ink: 'dim' as const },
      ]),
      paint,
    ),
    ...moved,
    ...residual,
  ];
}

import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { auditFigures } from '../../audit/auditFigures.ts';
import { joinClasses } from '../../audit/auditInput.ts';
import { explain } from '../../contract/explanation.ts';
import {
  type ModelDescription,
  REPORT_FILE_NAME,
  REPORT_FORMAT,
  REPORT_FORMAT_VERSION,
  type Report,
} from '../../contract/report.ts';
import { SESSIONS_FILES, type SessionAudit, sessionFolder } from '../../contract/sessions.ts';
import { TOOL } from '../../contract/version.ts';
import { selectItems } from '../../data/itemSet.ts';
import { selectRows, type VectorSource, vectorsInMemory } from '../../data/vectorSource.ts';
import { fingerprintOf, PROBE_ITEMS } from '../../models/fingerprint.ts';
import { readReport, writeReport } from '../../report/reportFile.ts';
import { hashItems } from '../loadPair.ts';
import type { OpenSessions } from './openSessions.ts';
import { readVectors } from './sessionFiles.ts';
import type { SessionsHooks, SessionsRequest } from './sessionsRequest.ts';
import type { PlannedMethod } from './sessionsSettings.ts';
import { canSearchEachOther, withoutPhases } from './sessionTask.ts';

/**
 * Audits a session's model against a later one's from the vectors that both left of the queries: those of classes that the older
 * one had seen, each searching the others. An audit that is there is read.
 * @param from from 1; less than `to`
 * @returns null where there is nothing to compare: one class, or none with two queries
 */
export async function auditSessions(
  run: OpenSessions,
  planned: PlannedMethod,
  from: number,
  to: number,
  { directory, threads }: SessionsRequest,
  hooks: SessionsHooks,
): Promise<SessionAudit | null> {
  const file = path.join(planned.folder, `audit-${from}-${to}`, REPORT_FILE_NAME);
  const absolute = path.join(directory, file);
  if (existsSync(absolute)) return auditOf(await readReport(absolute), from, to, file);
  const seen = new Set(
    run.sessions.slice(0, from).flatMap(({ own }) => Array.from(own, (item) => run.labelOf[item] as number)),
  );
  const rows = Int32Array.from(run.queryLabelOf.keys()).filter((row) => seen.has(run.queryLabelOf[row] as number));
  if (!canSearchEachOther(rows.map((row) => run.queryLabelOf[row] as number))) return null;

  hooks.progress.phase(`Auditing ${planned.label}, session ${to} against ${from}`);
  const started = performance.now();
  const [old, fresh] = [
    await sessionModel(run, planned, from, directory),
    await sessionModel(run, planned, to, directory),
  ];
  const queries = selectItems(run.queries, rows, `${run.queries.name} (classes up to session ${from})`);
  const oldVectors = selectRows(old.vectors, rows);
  const newVectors = selectRows(fresh.vectors, rows);
  const rule = fresh.description.dimension > old.description.dimension ? ('slice' as const) : null;
  const figures = await auditFigures(
    {
      ...joinClasses(queries, queries),
      vectors: {
        oldQuery: oldVectors,
        oldGallery: oldVectors,
        newQuery: newVectors,
        newGallery: newVectors,
        paragonQuery: null,
        paragonGallery: null,
      },
      protocol: { ...run.protocol, dimensionRule: rule },
    },
    { threads },
    withoutPhases(hooks),
  );
  const report: Report = {
    format: REPORT_FORMAT,
    formatVersion: REPORT_FORMAT_VERSION,
    ...figures,
    pair: `${planned.label}: session ${from} and ${to}`,
    old: old.description,
    new: fresh.description,
    paragon: null,
    gates: [],
    undecided: 'report',
    provenance: {
      tool: TOOL,
      created: new Date().toISOString(),
      config: null,
      dataset: hashItems(queries, queries),
      seconds: Math.round(performance.now() - started) / 1000,
    },
  };
  report.verdict.explanation = explain(report);
  await mkdir(path.dirname(absolute), { recursive: true });
  await writeReport(absolute, report);
  return auditOf(report, from, to, file);
}

async function sessionModel(
  run: OpenSessions,
  { folder: method, label }: PlannedMethod,
  session: number,
  directory: string,
): Promise<{ description: ModelDescription; vectors: VectorSource }> {
  const folder = path.join(directory, sessionFolder(method, session));
  const { vectors, dimension } = await readVectors(path.join(folder, SESSIONS_FILES.queries));
  const name = `${label}, session ${session}`;
  const { engine } = run.start;
  return {
    vectors: vectorsInMemory(name, vectors, dimension),
    description: {
      name,
      kind: engine === 'onnx' ? 'onnx' : 'tfjs-layers',
      path: path.join(folder, engine === 'onnx' ? 'model.onnx' : 'model.json'),
      dimension,
      normalised: true,
      fingerprint: fingerprintOf(vectors.subarray(0, PROBE_ITEMS * dimension), dimension),
    },
  };
}

function auditOf(report: Report, from: number, to: number, file: string): SessionAudit {
  const { inequalities, flips, criterion } = report;
  return {
    from,
    to,
    positiveRate: inequalities.positive.byEpsilon[0]?.rate ?? null,
    negativeRate: inequalities.negative.byEpsilon[0]?.rate ?? null,
    negativeFlipRate: flips.negativeFlipRate,
    newOldMap: criterion.map?.new ?? null,
    oldOldMap: criterion.map?.old ?? null,
    report: file.split(path.sep).join('/'),
  };
}

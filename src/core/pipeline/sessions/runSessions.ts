import { rm } from 'node:fs/promises';
import path from 'node:path';
import { loadConfig } from '../../config/loadConfig.ts';
import { sessionMethods } from '../../continual/methods/sessionMethods.ts';
import { planText } from '../../continual/planFile.ts';
import { summariseSessions } from '../../continual/summarise.ts';
import { throwIfCancelled } from '../../contract/errors.ts';
import { SESSIONS_FILES, type SessionsMethod, type SessionsRecord, sessionFolder } from '../../contract/sessions.ts';
import { writeFileAtomic } from '../../runs/atomicFile.ts';
import { checkInputs, writeInputs } from '../training/trainingInputs.ts';
import { auditSessions } from './auditSessions.ts';
import { placeOf } from './concludeSession.ts';
import { type OpenSessions, openSessions } from './openSessions.ts';
import { readResult } from './sessionFiles.ts';
import { findSessions } from './sessionsPlan.ts';
import { startRecord, writeRecord } from './sessionsRecord.ts';
import type { RunSessions, SessionsHooks, SessionsRequest } from './sessionsRequest.ts';
import { type PlannedMethod, sessionsSettings } from './sessionsSettings.ts';
import { trainSession } from './trainSession.ts';

/**
 * Runs all methods of a block of sessions, one after another, session by session; audits neighbouring models and the last against
 * the first. Everything lies in the run's directory: `sessions.json`, `plan.json`, and for each method and session a folder with
 * model, head, gallery, exemplars and result (`METHOD/session-J/`).
 *
 * A run that was paused, cancelled or killed at any instant goes on when asked again with `resume`: sessions that are done stay,
 * the one that was trained goes on from its newest state.
 * @throws BackcompatError for anything wrong with what the block names; `diverged`; `in-use` when a run is resumed after what it
 *   depends on has changed; `cancelled`, its state kept
 */
export const runSessions: RunSessions = async (request, hooks) => {
  const loaded = await loadConfig(request.configFile);
  const { name, block } = findSessions(loaded, request.name);
  const settings = sessionsSettings(name, block, request.overrides.seed);
  const run = await openSessions(loaded, settings, request, hooks);
  const { directory } = request;
  if (request.resume) await checkInputs(directory, run.inputs);
  await writeInputs(directory, run.inputs);
  await writeFileAtomic(path.join(directory, SESSIONS_FILES.plan), planText(run.plan));
  // What is done is read from the sessions' own files below, and told at once.
  const record = startRecord(run);
  for (const [index, planned] of settings.methods.entries()) {
    await fillKnown(record.methods[index] as SessionsMethod, planned, run, directory);
  }
  await writeRecord(directory, record);
  for (const [index, planned] of settings.methods.entries()) {
    const method = record.methods[index] as SessionsMethod;
    if ((await runMethod(run, planned, method, record, request, hooks)) === 'paused') return { state: 'paused' };
  }
  return { state: 'done', record };
};

/** Sessions that are done already. */
async function fillKnown(
  method: SessionsMethod,
  planned: PlannedMethod,
  run: OpenSessions,
  directory: string,
): Promise<void> {
  for (let session = 1; session <= run.sessions.length; session++) {
    const result = await readResult(path.join(directory, sessionFolder(planned.folder, session)));
    if (result === null) break;
    method.sessions.push(result);
  }
  if (method.sessions.length > 0) method.summary = summaryOf(method);
}

function summaryOf({ sessions }: SessionsMethod): SessionsMethod['summary'] {
  return summariseSessions(sessions.map(({ figures }) => figures));
}

async function runMethod(
  run: OpenSessions,
  planned: PlannedMethod,
  method: SessionsMethod,
  record: SessionsRecord,
  request: SessionsRequest,
  hooks: SessionsHooks,
): Promise<'paused' | 'done'> {
  const { directory } = request;
  const { isJoint } = sessionMethods[planned.method];
  method.state = 'running';
  for (const session of run.sessions.keys()) {
    await hooks.progress.breathe();
    throwIfCancelled(hooks.signal);
    if (hooks.pause.aborted) return 'paused';
    const folder = path.join(directory, sessionFolder(planned.folder, session + 1));
    if (method.sessions.length <= session) {
      hooks.progress.phase(`Training ${planned.label}, session ${session + 1}`, ...placeOf({ run, planned, session }));
      const result = await trainSession({ run, planned, session, isJoint, request, hooks });
      if (result === 'paused') return 'paused';
      method.sessions.push(result);
      method.summary = summaryOf(method);
      hooks.event({ type: 'session', method: planned.folder, result });
      await writeRecord(directory, record);
    }
    // Also of a session whose process was killed between its result and here.
    await rm(path.join(folder, SESSIONS_FILES.states), { recursive: true, force: true });
    await auditUpTo(run, planned, method, session + 1, request, hooks);
    await writeRecord(directory, record);
  }
  method.state = 'done';
  await writeRecord(directory, record);
  return 'done';
}

/** The audits that a session makes possible. @param session from 1 */
async function auditUpTo(
  run: OpenSessions,
  planned: PlannedMethod,
  method: SessionsMethod,
  session: number,
  request: SessionsRequest,
  hooks: SessionsHooks,
): Promise<void> {
  const isLast = session === run.sessions.length;
  const starts = [...(session > 1 ? [session - 1] : []), ...(isLast && session > 2 ? [1] : [])];
  for (const from of starts) {
    const audit = await auditSessions(run, planned, from, session, request, hooks);
    if (audit !== null) method.audits.push(audit);
  }
}

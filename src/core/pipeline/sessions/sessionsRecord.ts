import path from 'node:path';
import { SESSIONS_FILES, type SessionsPlanSummary, type SessionsRecord } from '../../contract/sessions.ts';
import { readRecordFile, writeRecordFile } from '../../runs/recordFile.ts';
import type { OpenSessions } from './openSessions.ts';

/** A run's record before its first session. */
export function startRecord({ settings, start, ...run }: OpenSessions): SessionsRecord {
  const { name, seed, block, buffer, epochs, methods } = settings;
  return {
    format: 'backcompat.sessions',
    formatVersion: 1,
    name,
    engine: start.engine,
    seed,
    from: block.from,
    data: block.data,
    queries: block.queries,
    dimension: start.dimension,
    buffer,
    epochs,
    plan: planSummary(run),
    methods: methods.map((method) => ({ ...method, state: 'waiting', sessions: [], summary: null, audits: [] })),
  };
}

function planSummary({
  plan,
  sessions,
  labelOf,
}: Pick<OpenSessions, 'plan' | 'sessions' | 'labelOf'>): SessionsPlanSummary {
  const { setup, percent, heldBack, column, seed } = plan;
  const known = new Set<number>();
  return {
    setup,
    percent,
    heldBack,
    column,
    seed,
    sessions: sessions.map(({ own, setAside }, index) => {
      const classes = new Set(Array.from(own, (item) => labelOf[item] as number));
      const before = known.size;
      for (const label of classes) known.add(label);
      return {
        title: plan.sessions[index]?.title ?? '',
        classes: classes.size,
        newClasses: known.size - before,
        items: own.length + setAside.length,
      };
    }),
  };
}

export async function writeRecord(directory: string, record: SessionsRecord): Promise<void> {
  await writeRecordFile(path.join(directory, SESSIONS_FILES.record), record);
}

/** The record of a run; null where there is none, or one of another version. */
export function readSessionsRecord(directory: string): Promise<SessionsRecord | null> {
  const file = path.join(directory, SESSIONS_FILES.record);
  return readRecordFile<SessionsRecord>(file, { format: 'backcompat.sessions', formatVersion: 1 }, 'methods');
}

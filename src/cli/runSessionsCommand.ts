import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { loadConfig } from '../core/config/loadConfig.ts';
import { bytesText, number, signed } from '../core/contract/format.ts';
import { meanNewClassCost, newClassCosts } from '../core/contract/newClassCost.ts';
import { SESSIONS_FILES, type SessionsRecord } from '../core/contract/sessions.ts';
import { findSessions } from '../core/pipeline/sessions/sessionsPlan.ts';
import { readSessionsRecord } from '../core/pipeline/sessions/sessionsRecord.ts';
import { type Column, createPaint, tableLines } from '../core/report/terminal.ts';
import { writeFileAtomic } from '../core/runs/atomicFile.ts';
import { resolveRun } from '../core/runs/listRuns.ts';
import { cacheFolder } from '../core/runs/runDirectory.ts';
import { RunReader } from '../core/runs/runReader.ts';
import { onlyConfig } from './auditPlan.ts';
import { computeRun, paused } from './computeRun.ts';
import type { CommonOptions } from './options.ts';
import { createOutput, type Output, shownPath, usageError } from './output.ts';
import type { CliServices } from './services.ts';
import { followResumable, type RunJob } from './startedRun.ts';

export interface SessionsOptions extends CommonOptions {
  name?: string;
  resume?: string;
  json?: string;
  /** Of the process that computes. */
  runDirectory?: string;
  goOn?: boolean;
  saveEvery?: number;
}

/** Runs a block of sessions, or goes on with a run, and prints what came out. @returns the exit status */
export async function runSessionsCommand(
  config: string | undefined,
  options: SessionsOptions,
  services: CliServices,
): Promise<number> {
  const output = createOutput({ ...options, dataOnStdout: options.json === '-' });
  const resume = options.resume === undefined ? null : await resumed(options.resume, config, options);
  const file = path.resolve(resume?.configFile ?? config ?? (await onlyConfig()));
  const loaded = await loadConfig(file);
  const { name } = findSessions(loaded, resume?.name ?? options.name ?? null);
  const job: RunJob = {
    kind: 'sessions',
    name,
    baseFolder: loaded.folder,
    out: null,
    configFile: file,
    configText: loaded.text,
    arguments: ['sessions', file, '--name', name],
  };
  const threads = options.threads ?? null;
  if (options.runDirectory !== undefined) {
    const directory = path.resolve(options.runDirectory);
    const compute = { directory, json: null, debug: options.debug ?? false, resume: options.goOn ?? false };
    const status = await computeRun(job, compute, async ({ progress, signal, pause, event }) => {
      const { saveEvery } = options;
      const outcome = await services.runSessions(
        {
          configFile: file,
          name,
          overrides: {},
          threads,
          cacheFolder: cacheFolder(loaded.folder),
          directory,
          resume: compute.resume,
        },
        { progress, signal, pause, event, ...(saveEvery === undefined ? {} : { saveEverySeconds: saveEvery }) },
      );
      return outcome.state === 'paused' ? paused : { state: 'done', exitStatus: 0, message: `Ran ${name}.` };
    });
    // Its end is written; nothing that a native library still holds may keep the process.
    process.exit(status);
  }
  const start = { threads, debug: options.debug ?? false, json: null, resume: resume?.directory ?? null };
  const ended = await followResumable(job, start, readSessionsRecord, output);
  if (ended.record !== null) await tell(ended.directory, ended.record, options.json, output);
  return ended.exitStatus;
}

async function resumed(
  run: string,
  config: string | undefined,
  { name }: SessionsOptions,
): Promise<{ directory: string; name: string; configFile: string | null }> {
  if (config !== undefined || name !== undefined) {
    throw usageError('A run goes on as it began: --resume takes no config and no --name.');
  }
  const found = await resolveRun(run, process.cwd());
  if (found.kind !== 'sessions') throw usageError(`The run ${found.id} is not of sessions but ${found.kind}.`);
  if (found.state === 'done') throw usageError(`The run ${found.id} is finished.`);
  const request = await new RunReader(found.directory).request();
  return { directory: found.directory, name: found.name, configFile: request?.configFile ?? null };
}

async function tell(
  directory: string,
  record: SessionsRecord,
  json: string | undefined,
  output: Output,
): Promise<void> {
  const file = path.join(directory, SESSIONS_FILES.record);
  const titles = ['AR@1', 'AR@4', 'mAP', 'last recall@1', 'new classes', 'cost to joint', 'first gallery', 'storage'];
  const columns: Column[] = [
    { title: record.name, align: 'left' },
    ...titles.map((title) => ({ title, align: 'right' as const })),
  ];
  const rows = record.methods.map((method) => {
    const { summary, sessions, label } = method;
    const costs = newClassCosts(method, record.methods);
    const last = sessions.at(-1);
    return [
      label,
      number(summary?.averageRecall[1]),
      number(summary?.averageRecall[4]),
      number(summary?.averageMap),
      number(last?.figures.recall[1]),
      number(meanNewClassCost(costs, 'recall')),
      signed(meanNewClassCost(costs, 'againstJoint')),
      signed(summary?.decay[0]?.at(-1)),
      bytesText(last?.storage.bytes ?? 0),
    ].map((text) => ({ text }));
  });
  const table = tableLines(columns, rows, createPaint(output.colour));
  output.text([...table, '', `Record: ${shownPath(file)}`, ''].join('\n'));
  const text = await readFile(file, 'utf8');
  if (json === '-') output.data(text);
  else if (json !== undefined) await writeFileAtomic(path.resolve(json), text);
}

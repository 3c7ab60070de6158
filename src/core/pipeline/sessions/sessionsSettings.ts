import type { SessionsDefinition } from '../../config/schema.ts';
import { sessionMethods } from '../../continual/methods/sessionMethods.ts';
import { REPORT_FILE_NAME } from '../../contract/report.ts';
import { RUN_FILES } from '../../contract/runs.ts';
import { SESSIONS_FILES, type SessionMethodName, type SessionMethodOptions } from '../../contract/sessions.ts';
import { TRAINING_FILES } from '../../contract/training.ts';
import { fileSafeName } from '../../runs/runDirectory.ts';
import { type HeadForm, headForm } from '../../training/heads/head.ts';
import { type LearningSettings, learningSettings } from '../training/trainingPlan.ts';

const DEFAULT_BUFFER = 200;
/** Of `expansion`: of the first embedding. */
const GROWTH_SHARE = 1 / 4;

/** Names in a run's directory that mean something else. */
const ownFiles = new Set<string>([
  ...Object.values(RUN_FILES),
  ...Object.values(SESSIONS_FILES),
  TRAINING_FILES.pause,
  REPORT_FILE_NAME,
]);

/** One method of a block. */
export interface PlannedMethod {
  folder: string;
  label: string;
  method: SessionMethodName;
  options: SessionMethodOptions;
}

/** A block of sessions with its defaults filled in. */
export interface SessionsSettings extends LearningSettings {
  name: string;
  block: SessionsDefinition;
  /** Of the learning rate where a model goes on from the one before. */
  laterRateFactor: number;
  head: HeadForm;
  buffer: number;
  /** Null: nothing is set aside, every epoch counts. */
  patience: number | null;
  methods: PlannedMethod[];
}

/** @param seed of the command line, instead of the block's */
export function sessionsSettings(name: string, block: SessionsDefinition, seed: number | undefined): SessionsSettings {
  const buffer = block.buffer ?? DEFAULT_BUFFER;
  return {
    name,
    block,
    ...learningSettings(block, seed),
    laterRateFactor: block.laterRateFactor ?? 1 / 3,
    head: headForm(block.head?.kind ?? 'nsoftmax', block.head),
    buffer,
    patience: block.stopEarly?.patience ?? null,
    methods: block.methods.map((entry) => plannedMethod(entry, buffer, block.dimension ?? 0)),
  };
}

function plannedMethod(
  entry: SessionsDefinition['methods'][number],
  ofBlock: number,
  dimension: number,
): PlannedMethod {
  const { name, label, buffer, growth, ...given } = typeof entry === 'string' ? { name: entry } : entry;
  const { defaults } = sessionMethods[name];
  const known = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
  const options = { ...defaults, ...known };
  const safe = fileSafeName(label ?? name);
  return {
    // Labels are unique in a block, and different names stay different.
    folder: ownFiles.has(safe) ? `method-${safe}` : safe,
    label: label ?? name,
    method: name,
    options: {
      ...options,
      buffer: options.replay === 'none' ? 0 : (buffer ?? ofBlock),
      growth: name === 'expansion' ? (growth ?? Math.ceil(dimension * GROWTH_SHARE)) : null,
    },
  };
}

import { createHash } from 'node:crypto';
import { joinClasses } from '../../audit/auditInput.ts';
import { type LoadedConfig, resolveProtocol } from '../../config/loadConfig.ts';
import { membersOf } from '../../continual/planFile.ts';
import { BackcompatError } from '../../contract/errors.ts';
import type { AuditProtocol } from '../../contract/protocol.ts';
import type { SessionPlan } from '../../contract/sessions.ts';
import { hashContent } from '../../data/contentHash.ts';
import { type ItemSet, selectItems } from '../../data/itemSet.ts';
import { splitItems } from '../../data/split.ts';
import { hashItems } from '../loadPair.ts';
import { itemLoader } from '../pairDefinition.ts';
import { blockInputs, type TrainingInputs } from '../training/trainingInputs.ts';
import { type OpenStart, openStart } from '../training/trainingStart.ts';
import { planOfBlock } from './sessionsPlan.ts';
import type { SessionsHooks, SessionsRequest } from './sessionsRequest.ts';
import type { SessionsSettings } from './sessionsSettings.ts';

/** Of everything between files and weights that no config says; raised when other weights come out. */
const SESSIONS_VERSION = 1;
/** Of each class of a session, for early stop. */
const SET_ASIDE = 0.1;

/** Indices of the items that a session brings. */
export interface SessionItems {
  /** Trained on, and its gallery. */
  own: Int32Array;
  /** For early stop only; empty without it. */
  setAside: Int32Array;
}

/** What all methods of a run share. Nothing of it holds a file open. */
export interface OpenSessions {
  settings: SessionsSettings;
  plan: SessionPlan;
  items: ItemSet;
  queries: ItemSet;
  /** Of items and queries together; labels below are its indices. */
  classNames: readonly string[];
  labelOf: Int32Array;
  queryLabelOf: Int32Array;
  sessions: readonly SessionItems[];
  start: OpenStart;
  protocol: AuditProtocol;
  inputs: TrainingInputs;
}

/**
 * Reads what a block of sessions names, and plans them.
 * @throws BackcompatError for anything wrong with it; `bad-data` for queries that are items of the sessions, too
 */
export async function openSessions(
  loaded: LoadedConfig,
  settings: SessionsSettings,
  { overrides, threads }: SessionsRequest,
  { progress, signal }: SessionsHooks,
): Promise<OpenSessions> {
  const { name, block, seed } = settings;
  progress.phase('Reading the datasets');
  const load = itemLoader(loaded);
  const items = await load(block.data);
  const queries = await load(block.queries);
  const plan = planOfBlock(loaded, name, block, items, overrides.seed);
  refuseTrainedQueries(items, queries);
  const start = await openStart(loaded, { name, block, seed, key: 'sessions' }, items, null, threads);
  for (const note of start.notes) progress.log('info', `${block.from}: ${note}`);
  const joined = joinClasses(queries, items);
  const hashOf = async (set: ItemSet) => {
    const content = createHash('sha256').update(hashItems(set));
    await hashContent(content, set, { signal, breathe: () => progress.breathe() });
    return content.digest('hex');
  };
  return {
    settings,
    plan,
    items,
    queries,
    classNames: joined.gallery.classNames,
    labelOf: joined.gallery.labelOf,
    queryLabelOf: joined.queries.labelOf,
    sessions: membersOf(plan, items).map((members) => setAside(items, members, settings)),
    start,
    protocol: resolveProtocol(loaded.config.audit),
    inputs: {
      ...blockInputs(name, block, 'sessions'),
      'the seed': String(seed),
      'the items of the sessions': await hashOf(items),
      'the queries': await hashOf(queries),
      'the start': start.identity,
      'the audit': JSON.stringify(loaded.config.audit ?? {}),
      'the version of sessions': String(SESSIONS_VERSION),
    },
  };
}

/** round(n / 10) of the n items of each class. */
function setAside(items: ItemSet, members: Int32Array, { patience, seed }: SessionsSettings): SessionItems {
  if (patience === null) return { own: members, setAside: new Int32Array(0) };
  const { labelOf, classNames } = selectItems(items, members, items.name);
  const chosen = splitItems(labelOf, classNames, { aside: SET_ASIDE }, seed).get('aside') as Int32Array;
  const isAside = new Set(chosen);
  return {
    own: members.filter((_, place) => !isAside.has(place)),
    setAside: chosen.map((place) => members[place] as number),
  };
}

function refuseTrainedQueries(items: ItemSet, queries: ItemSet): void {
  const known = new Set(items.ids);
  const both = queries.ids.find((id) => known.has(id));
  if (both === undefined) return;
  throw new BackcompatError(
    'bad-data',
    `The item ${JSON.stringify(both)} is in ${items.name} and in ${queries.name}: a query would find itself.`,
    { remedy: 'Name queries that are held out, for example by "splits" of the dataset.' },
  );
}

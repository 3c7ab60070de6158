import type { SessionsRecord } from '../../contract/sessions.ts';
import type { TrainHooks, TrainRequest } from '../training/trainRequest.ts';

/** What one run of sessions makes: all methods of a block. */
export type SessionsRequest = TrainRequest;
export type SessionsHooks = Omit<TrainHooks, 'writeReport'>;

export type SessionsOutcome = { state: 'paused' } | { state: 'done'; record: SessionsRecord };

export type RunSessions = (request: SessionsRequest, hooks: SessionsHooks) => Promise<SessionsOutcome>;

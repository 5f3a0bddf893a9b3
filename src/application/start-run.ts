import { randomBytes } from 'node:crypto';
import { canonicalJson } from '../domain/canonical-json.ts';
import { HoldfastError } from '../domain/errors.ts';
import { makeRunId, stateKeys } from '../domain/names.ts';
import { sha256Hex } from './documents.ts';
import type { Clock } from './ports/clock.ts';
import type { ExecutionStarter } from './ports/execution-starter.ts';
import type { ObjectStore } from './ports/object-store.ts';
import type { RunRecord } from './ports/run-history.ts';

export interface StartRunDeps {
  readonly state: ObjectStore;
  readonly clock: Clock;
  readonly starter: ExecutionStarter;
}

export interface RunToStart {
  readonly workflow: RunRecord['workflow'];
  readonly deployment: string;
  /** The input of the workflow. */
  readonly request: object;
  /** A request that comes again with its key is answered by the run that it was accepted for, however that ended. */
  readonly idempotencyKey: string | undefined;
}

/**
 * Starts a run and returns its id. With a key the id is made of workflow, deployment and key, so that Step Functions itself
 * keeps a second one from being started, also of two requests at the same instant.
 * @throws InvalidInput when the key was used before for another request
 */
export async function startRun(run: RunToStart, deps: StartRunDeps): Promise<string> {
  const { workflow, deployment, request, idempotencyKey: key } = run;
  if (key === undefined) {
    const runId = makeRunId(workflow, deps.clock.now(), randomBytes(6).toString('hex'));
    await deps.starter.start(workflow, runId, request);
    return runId;
  }
  const runId = `${workflow}-${sha256Hex(`${deployment}\n${key}`).slice(0, 40)}`;
  const accepted = await startOnce({ workflow, runId, request }, deps);
  if (accepted === undefined || isSameRequest(accepted, request)) return runId;
  throw new HoldfastError('InvalidInput', `the Idempotency-Key was used before for another request: run ${runId}`, {
    next: 'Send the first request again as it was, or choose a key of its own for this one.',
  });
}

/**
 * Starts the run of that id, unless there is or was one, however that ended.
 * @returns what the run of that id was started with; undefined when nobody knows any more
 */
export async function startOnce(
  { workflow, runId, request }: Pick<RunToStart, 'workflow' | 'request'> & { readonly runId: string },
  { state, starter }: Pick<StartRunDeps, 'state' | 'starter'>,
): Promise<unknown> {
  // After 90 days Step Functions has forgotten a name and would take it again; what the run left in its folder stays.
  const began = (await state.head(stateKeys.runConfig(runId))) !== undefined;
  return began ? starter.inputOf(workflow, runId) : starter.start(workflow, runId, request);
}

/** Whoever repeats it: a session of a role has a name of its own each time. */
function isSameRequest(one: unknown, other: unknown): boolean {
  return withoutRequester(one) === withoutRequester(other);
}

function withoutRequester(input: unknown): string {
  if (typeof input !== 'object' || input === null) return canonicalJson(input);
  return canonicalJson({ ...input, requestedBy: undefined });
}

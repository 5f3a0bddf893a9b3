import { withinLimit } from '../data-flow.ts';
import type { Visit } from '../execution-scope.ts';
import { StateFailure } from '../failures.ts';
import { isObject, type Json, type JsonObject } from '../json.ts';
import { fillTemplate } from '../payload-template.ts';
import { taskResources, type TaskState } from '../state-machine.ts';
import type { IssuedToken } from '../task-tokens.ts';
import { linkAbort, rejectOnAbort, settledWithin, sleepUntil } from '../waiting.ts';
import { failureOf, invoke } from './invoke.ts';
import { shapeResult } from './parallel.ts';
import { secondsFrom } from './seconds.ts';

/** How long (ms of the clock) a handler that was told to stop is waited for before the machine goes on without it. */
export const settleMilliseconds = 5_000;

interface Attempt {
  readonly visit: Visit<TaskState>;
  readonly parameters: JsonObject;
  readonly issued: IssuedToken | undefined;
  /** resourceType and resource, as events name them. */
  readonly resource: JsonObject;
}

/** One attempt of a Task: schedules, runs it against its time limits, and shapes its result. */
export async function runTask(visit: Visit<TaskState>): Promise<Json> {
  const { state, name, scope, branch } = visit;
  let lastBeat = scope.clock.now().getTime();
  const issued =
    state.Resource === taskResources.invokeWithToken
      ? scope.tokens.issue(() => (lastBeat = scope.clock.now().getTime()))
      : undefined;
  try {
    if (issued) scope.history.hide(issued.token);
    const roots = issued ? withToken(visit, issued.token) : visit.roots;
    const parameters = withinLimit(
      fillTemplate(state.Parameters ?? {}, roots),
      `The parameters of the state '${name}'`,
    );
    const timeout = secondsFrom(state.TimeoutSeconds, state.TimeoutSecondsPath, roots, 'TimeoutSecondsPath', 1);
    const heartbeat = secondsFrom(state.HeartbeatSeconds, state.HeartbeatSecondsPath, roots, 'HeartbeatSecondsPath', 1);
    const [, resourceType = '', resource = ''] = /:::(\w+):(.*)$/.exec(state.Resource) ?? [];
    const attempt = {
      visit,
      parameters: isObject(parameters) ? parameters : {},
      issued,
      resource: { resourceType, resource },
    };
    await scope.history.append(
      'TaskScheduled',
      {
        ...attempt.resource,
        region: 'local',
        parameters: JSON.stringify(parameters),
        ...(timeout !== undefined && { timeoutInSeconds: timeout }),
        ...(heartbeat !== undefined && { heartbeatInSeconds: heartbeat }),
      },
      branch.cursor,
    );
    await scope.history.append('TaskStarted', attempt.resource, branch.cursor);
    lastBeat = scope.clock.now().getTime();
    const result = await runAttempt(attempt, [
      deadline(scope.clock.now().getTime(), timeout),
      heartbeatLimit(heartbeat, () => lastBeat),
    ]);
    return shapeResult({ ...visit, roots }, result);
  } finally {
    issued?.close();
  }
}

type TimeLimit = (visit: Visit<TaskState>, signal: AbortSignal) => Promise<never>;

function deadline(start: number, seconds: number | undefined): TimeLimit | undefined {
  if (seconds === undefined) return undefined;
  return async ({ scope }, signal) => {
    await sleepUntil(scope.clock, start + seconds * 1000, signal);
    throw new StateFailure('States.Timeout', `The task did not end within ${seconds} seconds.`);
  };
}

function heartbeatLimit(seconds: number | undefined, lastBeat: () => number): TimeLimit | undefined {
  if (seconds === undefined) return undefined;
  return async ({ scope }, signal) => {
    while (scope.clock.now().getTime() < lastBeat() + seconds * 1000) {
      await sleepUntil(scope.clock, lastBeat() + seconds * 1000, signal);
    }
    throw new StateFailure('States.HeartbeatTimeout', `No heartbeat for ${seconds} seconds.`);
  };
}

async function runAttempt(attempt: Attempt, limits: readonly (TimeLimit | undefined)[]): Promise<Json> {
  const { visit, resource } = attempt;
  const { scope, branch, name } = visit;
  const link = linkAbort(branch.signal);
  const timers = linkAbort(link.signal);
  const work = start(attempt, link.signal, timers.signal);
  try {
    const result = await Promise.race([
      work.result,
      rejectOnAbort(link.signal),
      ...limits.flatMap((limit) => (limit ? [limit(visit, timers.signal)] : [])),
    ]);
    withinLimit(result, `The result of the state '${name}'`);
    // Not the handler's signal: a launcher may still be about its last words when the worker has answered.
    timers.abort(new DOMException('The task has ended.', 'AbortError'));
    await scope.history.append('TaskSucceeded', { ...resource, output: JSON.stringify(result) }, branch.cursor);
    return result;
  } catch (thrown) {
    link.abort(thrown instanceof Error ? thrown : new DOMException('The task failed.', 'AbortError'));
    attempt.issued?.close();
    await settledWithin(scope.clock, settleMilliseconds, work.handler);
    branch.signal.throwIfAborted();
    const failure = failureOf(thrown);
    const timedOut = failure.error === 'States.Timeout' || failure.error === 'States.HeartbeatTimeout';
    await scope.history.append(
      timedOut ? 'TaskTimedOut' : 'TaskFailed',
      { ...resource, error: failure.error, cause: failure.failureCause },
      branch.cursor,
    );
    throw failure;
  } finally {
    timers.unlink();
    link.unlink();
  }
}

/** Starts what the task's Resource names. `handler` ends when no more code of it runs; `result` is the task's. */
function start(
  { visit, parameters, issued, resource }: Attempt,
  signal: AbortSignal,
  attemptOver: AbortSignal,
): { result: Promise<Json>; handler: Promise<unknown> } {
  if (visit.state.Resource === taskResources.startExecution) {
    const nested = visit.scope.startNested(parameters, signal).then(({ succeeded, description }) => {
      if (succeeded) return description;
      throw new StateFailure('States.TaskFailed', JSON.stringify(description));
    });
    return { result: nested, handler: nested };
  }
  const handler = invoke(visit, parameters, signal);
  if (!issued) return { result: handler, handler };
  const failed = handler.then(async (submitted) => {
    if (!attemptOver.aborted)
      await visit.scope.history.append(
        'TaskSubmitted',
        { ...resource, output: JSON.stringify(submitted) },
        visit.branch.cursor,
      );
    return new Promise<never>(() => undefined);
  });
  return { result: Promise.race([failed, answer(issued)]), handler };
}

async function answer(issued: IssuedToken): Promise<Json> {
  const answered = await issued.answered;
  if (answered.kind === 'success') return answered.output;
  throw new StateFailure(answered.error, answered.cause);
}

function withToken({ roots }: Visit<TaskState>, token: string) {
  return { data: roots.data, context: { ...(isObject(roots.context) ? roots.context : {}), Task: { Token: token } } };
}

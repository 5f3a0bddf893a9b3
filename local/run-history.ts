import { HoldfastError, isHoldfastError } from '../src/domain/errors.ts';
import { type FailureRecord, nameFailure } from '../src/domain/failure.ts';
import { stateKeys } from '../src/domain/names.ts';
import type { ObjectStore } from '../src/application/ports/object-store.ts';
import type { RunHistory, RunRecord } from '../src/application/ports/run-history.ts';
import type { WorkflowName } from '../statemachines/manifest.ts';
import { type HistoryEvent, isLastEvent, parseJournal } from './states-language/journal.ts';

/** What the journals of the state directory say of runs, also of those of other processes, dead or alive. */
export class JournalRunHistory implements RunHistory {
  readonly #state: ObjectStore;

  constructor(state: ObjectStore) {
    this.#state = state;
  }

  async find(runId: string): Promise<RunRecord | undefined> {
    try {
      const key = stateKeys.journal(runId);
      const { body } = await this.#state.get(key);
      return recordOf(parseJournal(body.toString('utf8')), `${key} in ${this.#state.description}`);
    } catch (error) {
      if (isHoldfastError(error, 'ObjectNotFound')) return undefined;
      throw error;
    }
  }
}

/** @param where for messages */
function recordOf(events: readonly HistoryEvent[], where: string): RunRecord | undefined {
  const [first] = events;
  const workflow = detail(first, 'executionStarted', 'stateMachine');
  if (first === undefined || (workflow !== 'backup' && workflow !== 'restore')) return undefined;
  const last = events.at(-1);
  const ended = last !== undefined && isLastEvent(last) ? last : undefined;
  const output = detail(ended, 'executionSucceeded', 'output');
  return {
    workflow: workflow satisfies WorkflowName,
    startedAt: new Date(first.timestamp),
    endedAt: ended === undefined ? null : new Date(ended.timestamp),
    status: statusOf(ended),
    state: currentState(events),
    output: typeof output === 'string' ? parseOutput(output, where) : null,
    error: errorOf(ended),
  };
}

function parseOutput(output: string, where: string): unknown {
  try {
    return JSON.parse(output) as unknown;
  } catch (cause) {
    throw new HoldfastError('CorruptObject', `${where} has an output that is not JSON`, { cause });
  }
}

function statusOf(ended: HistoryEvent | undefined): RunRecord['status'] {
  if (ended === undefined) return 'running';
  if (ended.type === 'ExecutionSucceeded') return 'succeeded';
  return ended.type === 'ExecutionAborted' ? 'aborted' : 'failed';
}

function errorOf(ended: HistoryEvent | undefined): FailureRecord | null {
  if (ended === undefined || ended.type === 'ExecutionSucceeded') return null;
  const kind = `e${ended.type.slice(1)}`;
  const [error, cause] = [detail(ended, kind, 'error'), detail(ended, kind, 'cause')];
  return nameFailure({ Error: String(error), Cause: typeof cause === 'string' ? cause : undefined });
}

/**
 * The task that the run is in, or was in when it failed: of several at once the one that was entered first, because a dump
 * says more than the capture loop beside it. After a failure the clean-up is not it.
 */
function currentState(events: readonly HistoryEvent[]): string | null {
  const cleanUp = events.findIndex(
    (event) => event.type === 'TaskStateEntered' && enteredName(event) === 'Record Failure',
  );
  const relevant = cleanUp < 0 ? events : events.slice(0, cleanUp);
  const tasks = relevant.filter(({ type }) => type === 'TaskStateEntered').map(enteredName);
  const left = new Map<unknown, number>();
  for (const event of relevant.filter(({ type }) => type === 'TaskStateExited')) {
    const name = detail(event, 'stateExited', 'name');
    left.set(name, (left.get(name) ?? 0) + 1);
  }
  const name = firstOpen(tasks, left) ?? tasks.at(-1);
  return typeof name === 'string' ? name : null;
}

/** The first task that was entered more often, up to there, than it was left. */
function firstOpen(tasks: readonly unknown[], left: ReadonlyMap<unknown, number>): unknown {
  const entered = new Map<unknown, number>();
  return tasks.find((name) => {
    const times = (entered.get(name) ?? 0) + 1;
    entered.set(name, times);
    return times > (left.get(name) ?? 0);
  });
}

function enteredName(event: HistoryEvent): unknown {
  return detail(event, 'stateEntered', 'name');
}

function detail(event: HistoryEvent | undefined, kind: string, field: string): unknown {
  return event?.[`${kind}EventDetails`]?.[field];
}

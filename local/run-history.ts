import { HoldfastError, isHoldfastError } from '../src/domain/errors.ts';
import { type FailureRecord, nameFailure } from '../src/domain/failure.ts';
import { currentState, type TaskStep } from '../src/domain/current-state.ts';
import { stateKeys } from '../src/domain/names.ts';
import { runIdPattern } from '../src/domain/run.ts';
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

  /** The ids of this mode say when a run was started, so that old ones need not be read; of others nothing is known. */
  async newest(count: number): Promise<readonly string[]> {
    const runs = await this.#runs();
    const timeOf = (run: string): string | undefined => /-(\d{8}T\d{6}Z)-/.exec(run)?.[1];
    const dated = runs.filter((run) => timeOf(run) !== undefined);
    const newest = dated.sort((a, b) => (timeOf(b) ?? '').localeCompare(timeOf(a) ?? '')).slice(0, count);
    return [...newest, ...runs.filter((run) => timeOf(run) === undefined)];
  }

  async #runs(): Promise<string[]> {
    const runs = new Set<string>();
    for await (const { key } of this.#state.list(stateKeys.runs())) {
      const [runId] = key.slice(stateKeys.runs().length).split('/', 1);
      if (runId !== undefined && runIdPattern.test(runId)) runs.add(runId);
    }
    return [...runs];
  }
}

function taskStep(event: HistoryEvent): TaskStep | undefined {
  const [entered, exited] = [detail(event, 'stateEntered', 'name'), detail(event, 'stateExited', 'name')];
  if (event.type === 'TaskStateEntered' && typeof entered === 'string') return { entered };
  return event.type === 'TaskStateExited' && typeof exited === 'string' ? { exited } : undefined;
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
    state: currentState(events.map(taskStep)),
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

function detail(event: HistoryEvent | undefined, kind: string, field: string): unknown {
  return event?.[`${kind}EventDetails`]?.[field];
}

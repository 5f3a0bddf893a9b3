import {
  DescribeExecutionCommand,
  type DescribeExecutionOutput,
  GetExecutionHistoryCommand,
  type HistoryEvent,
  ListExecutionsCommand,
  type SFNClient,
} from '@aws-sdk/client-sfn';
import type { RunHistory, RunRecord } from '../../application/ports/run-history.ts';
import { currentState, type TaskStep } from '../../domain/current-state.ts';
import { nameFailure } from '../../domain/failure.ts';
import { hasName } from './service-errors.ts';
import { executionArn } from './sfn-executions.ts';

/** What a page of a history may have. */
const pageOfEvents = 1000;

/** How runs went, from Step Functions, which keeps an execution for 90 days after its end. */
export class SfnRunHistory implements RunHistory {
  readonly #client: SFNClient;
  readonly #machines: readonly { readonly arn: string; readonly workflow: RunRecord['workflow'] }[];

  /** @param machineArns of the stage's state machines; those of other workflows have no runs to show */
  constructor(client: SFNClient, machineArns: readonly string[]) {
    this.#client = client;
    this.#machines = machineArns.flatMap((arn) => {
      const [workflow] = /(backup|restore)$/.exec(arn) ?? [];
      return workflow === 'backup' || workflow === 'restore' ? [{ arn, workflow }] : [];
    });
  }

  async find(runId: string): Promise<RunRecord | undefined> {
    const looked = this.#machines.map(async ({ arn, workflow }) => {
      const found = await this.#describe(executionArn(arn, runId));
      return found === undefined ? undefined : this.#recordOf(workflow, found);
    });
    return (await Promise.all(looked)).find((record) => record !== undefined);
  }

  async newest(count: number): Promise<readonly string[]> {
    const pages = this.#machines.map(({ arn }) =>
      this.#client.send(new ListExecutionsCommand({ stateMachineArn: arn, maxResults: count })),
    );
    const executions = (await Promise.all(pages)).flatMap((page) => page.executions ?? []);
    const startOf = ({ startDate }: (typeof executions)[number]): number => startDate?.getTime() ?? 0;
    const newest = executions.sort((a, b) => startOf(b) - startOf(a)).slice(0, count);
    return newest.flatMap(({ name }) => name ?? []);
  }

  async #describe(arn: string): Promise<DescribeExecutionOutput | undefined> {
    try {
      return await this.#client.send(new DescribeExecutionCommand({ executionArn: arn }));
    } catch (error) {
      if (hasName(error, ['ExecutionDoesNotExist'])) return undefined;
      throw error;
    }
  }

  async #recordOf(workflow: RunRecord['workflow'], found: DescribeExecutionOutput): Promise<RunRecord> {
    const status = statusOf(found.status);
    return {
      workflow,
      startedAt: found.startDate ?? new Date(0),
      endedAt: status === 'running' ? null : (found.stopDate ?? null),
      status,
      state: await this.#stateOf(found.executionArn),
      output: found.output === undefined ? null : (JSON.parse(found.output) as unknown),
      error: errorOf(found),
    };
  }

  /**
   * By the first and the last events: an execution may have 25,000, and who looks every few seconds must not read them all.
   * What began early and goes on is in the first, what happens now in the last.
   */
  async #stateOf(executionArn: string | undefined): Promise<string | null> {
    const page = { executionArn, maxResults: pageOfEvents, includeExecutionData: false };
    const first = await this.#client.send(new GetExecutionHistoryCommand(page));
    const events = new Map(first.events?.map((event) => [event.id, event]));
    if (first.nextToken !== undefined) {
      const last = await this.#client.send(new GetExecutionHistoryCommand({ ...page, reverseOrder: true }));
      for (const event of last.events?.toReversed() ?? []) events.set(event.id, event);
    }
    return currentState([...events.values()].map(taskStep));
  }
}

function errorOf({ status, error, cause }: DescribeExecutionOutput): RunRecord['error'] {
  const unnamed = { FAILED: 'Internal', TIMED_OUT: 'States.Timeout', ABORTED: 'Interrupted' } as const;
  if (status !== 'FAILED' && status !== 'TIMED_OUT' && status !== 'ABORTED') return null;
  return nameFailure({ Error: error ?? unnamed[status], Cause: cause });
}

function taskStep({ type, stateEnteredEventDetails, stateExitedEventDetails }: HistoryEvent): TaskStep | undefined {
  if (type === 'TaskStateEntered' && stateEnteredEventDetails?.name) return { entered: stateEnteredEventDetails.name };
  if (type === 'TaskStateExited' && stateExitedEventDetails?.name) return { exited: stateExitedEventDetails.name };
  return undefined;
}

/** PENDING_REDRIVE: an operator has asked for it to go on. */
function statusOf(status: string | undefined): RunRecord['status'] {
  if (status === 'RUNNING' || status === 'PENDING_REDRIVE') return 'running';
  if (status === 'SUCCEEDED') return 'succeeded';
  return status === 'ABORTED' ? 'aborted' : 'failed';
}

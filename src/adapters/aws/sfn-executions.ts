import { DescribeExecutionCommand, type SFNClient } from '@aws-sdk/client-sfn';
import type { Executions } from '../../application/ports/executions.ts';
import { hasName } from './service-errors.ts';

/**
 * Whether runs run, from Step Functions. A run's id is its execution's name; which workflow it belongs to is not in it, so
 * every machine of the stage is asked. An execution is kept for 90 days after its end; one that is gone does not run.
 */
export class SfnExecutions implements Executions {
  readonly #client: SFNClient;
  readonly #machineArns: readonly string[];

  /** @param machineArns of the stage's state machines */
  constructor(client: SFNClient, machineArns: readonly string[]) {
    this.#client = client;
    this.#machineArns = machineArns;
  }

  async isRunning(runId: string): Promise<boolean> {
    const statuses = await Promise.all(this.#machineArns.map((arn) => this.#status(executionArn(arn, runId))));
    // PENDING_REDRIVE: an operator has asked for it to go on.
    return statuses.some((status) => status === 'RUNNING' || status === 'PENDING_REDRIVE');
  }

  async #status(arn: string): Promise<string | undefined> {
    try {
      return (await this.#client.send(new DescribeExecutionCommand({ executionArn: arn }))).status;
    } catch (error) {
      if (hasName(error, ['ExecutionDoesNotExist'])) return undefined;
      throw error;
    }
  }
}

/** `arn:aws:states:REGION:ACCOUNT:execution:MACHINE:RUN` of `arn:aws:states:REGION:ACCOUNT:stateMachine:MACHINE`. */
export function executionArn(machineArn: string, runId: string): string {
  return `${machineArn.replace(':stateMachine:', ':execution:')}:${runId}`;
}

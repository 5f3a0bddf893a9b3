import { DescribeExecutionCommand, type SFNClient, StartExecutionCommand } from '@aws-sdk/client-sfn';
import type { ExecutionStarter } from '../../application/ports/execution-starter.ts';
import type { RunRecord } from '../../application/ports/run-history.ts';
import { HoldfastError } from '../../domain/errors.ts';
import { hasName } from './service-errors.ts';
import { executionArn } from './sfn-executions.ts';

type Workflow = RunRecord['workflow'];

/**
 * Starts Standard workflows. Of a name Step Functions starts one execution only: asked again with the same input while it
 * runs it answers as at first, else with ExecutionAlreadyExists; 90 days after its end the name is free.
 */
export class SfnExecutionStarter implements ExecutionStarter {
  readonly #client: SFNClient;
  readonly #machines: Readonly<Partial<Record<Workflow, string>>>;

  constructor(client: SFNClient, machines: Readonly<Partial<Record<Workflow, string>>>) {
    this.#client = client;
    this.#machines = machines;
  }

  async start(workflow: Workflow, runId: string, input: object): Promise<unknown> {
    const stateMachineArn = this.#machine(workflow);
    try {
      await this.#client.send(
        new StartExecutionCommand({ stateMachineArn, name: runId, input: JSON.stringify(input) }),
      );
      return input;
    } catch (error) {
      if (!hasName(error, ['ExecutionAlreadyExists'])) throw error;
      return this.inputOf(workflow, runId);
    }
  }

  async inputOf(workflow: Workflow, runId: string): Promise<unknown> {
    try {
      const arn = executionArn(this.#machine(workflow), runId);
      const { input } = await this.#client.send(new DescribeExecutionCommand({ executionArn: arn }));
      return input === undefined ? undefined : (JSON.parse(input) as unknown);
    } catch (error) {
      if (hasName(error, ['ExecutionDoesNotExist'])) return undefined;
      throw error;
    }
  }

  #machine(workflow: Workflow): string {
    const arn = this.#machines[workflow];
    if (arn !== undefined) return arn;
    throw new HoldfastError('Internal', `this function starts no ${workflow}`);
  }
}

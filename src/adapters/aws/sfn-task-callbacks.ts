import {
  SendTaskFailureCommand,
  SendTaskHeartbeatCommand,
  SendTaskSuccessCommand,
  type SFNClient,
} from '@aws-sdk/client-sfn';
import type { TaskCallbacks } from '../../application/ports/task-callbacks.ts';
import { hasName } from './service-errors.ts';

/** What Step Functions says of a token that it waits for no more, or never gave out. */
const unwanted = ['TaskTimedOut', 'TaskDoesNotExist', 'InvalidToken'];

/** Answers a task token to Step Functions. A service that can't be reached rejects; only a refusal counts as "no longer wanted". */
export class SfnTaskCallbacks implements TaskCallbacks {
  readonly #client: SFNClient;

  constructor(client: SFNClient) {
    this.#client = client;
  }

  async success(token: string, output: unknown): Promise<void> {
    await this.#client.send(new SendTaskSuccessCommand({ taskToken: token, output: JSON.stringify(output) }));
  }

  async failure(token: string, error: string, cause: string): Promise<void> {
    try {
      await this.#client.send(new SendTaskFailureCommand({ taskToken: token, error, cause }));
    } catch (refusal) {
      // Answered before, or given up: nobody is left whom the failure would tell anything.
      if (!hasName(refusal, unwanted)) throw refusal;
    }
  }

  async heartbeat(token: string): Promise<boolean> {
    try {
      await this.#client.send(new SendTaskHeartbeatCommand({ taskToken: token }));
      return true;
    } catch (error) {
      if (hasName(error, unwanted)) return false;
      throw error;
    }
  }
}

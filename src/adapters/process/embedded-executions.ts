import * as z from 'zod';
import type { Executions } from '../../application/ports/executions.ts';
import type { ObjectStore } from '../../application/ports/object-store.ts';
import { isHoldfastError } from '../../domain/errors.ts';
import { stateKeys } from '../../domain/names.ts';
import { isAlive, type ProcessIdentity } from './process-identity.ts';

const firstEventSchema = z.object({
  executionStartedEventDetails: z.object({ pid: z.int().positive(), processStart: z.string().min(1) }),
});
const lastEventSchema = z.object({ type: z.string().regex(/^Execution(Succeeded|Failed|Aborted|TimedOut)$/) });

/**
 * Whether runs of embedded mode run: one does when its journal has no last event and the process in its first event (see
 * `thisProcess`) lives. It holds for one machine and one namespace of processes, which embedded mode is for.
 */
export class JournalExecutions implements Executions {
  readonly #state: ObjectStore;

  constructor(state: ObjectStore) {
    this.#state = state;
  }

  async isRunning(runId: string): Promise<boolean> {
    const lines = await this.#wholeLines(runId);
    const owner = ownerOf(lines[0]);
    if (!owner || lastEventSchema.safeParse(parseLine(lines.at(-1))).success) return false;
    return isAlive(owner);
  }

  async #wholeLines(runId: string): Promise<string[]> {
    try {
      const { body } = await this.#state.get(stateKeys.journal(runId));
      // What follows the last line feed is being written, or was when the process died.
      return body.toString('utf8').split('\n').slice(0, -1);
    } catch (error) {
      if (isHoldfastError(error, 'ObjectNotFound')) return [];
      throw error;
    }
  }
}

function ownerOf(line: string | undefined): ProcessIdentity | undefined {
  return firstEventSchema.safeParse(parseLine(line)).data?.executionStartedEventDetails;
}

function parseLine(line: string | undefined): unknown {
  try {
    return JSON.parse(line ?? '') as unknown;
  } catch {
    return undefined;
  }
}

import { randomUUID } from 'node:crypto';
import { setMaxListeners } from 'node:events';

import type { Clock } from '../../src/application/ports/clock.ts';
import { HoldfastError } from '../../src/domain/errors.ts';
import { maximumDataBytes } from './data-flow.ts';
import type { Execution } from './execution.ts';
import type { TaskHandler } from './execution-scope.ts';
import { ExecutionStopped } from './failures.ts';
import { byteSize, type Json, type JsonObject, toJson } from './json.ts';
import type { Journal } from './journal.ts';
import { startNested } from './nested-execution.ts';
import { runExecution } from './run-execution.ts';
import type { StateMachine } from './state-machine.ts';
import { TaskTokens } from './task-tokens.ts';

export type { Execution, ExecutionResult } from './execution.ts';
export type { TaskHandler } from './execution-scope.ts';
export { TaskTokenError } from './failures.ts';

export interface EmbeddedExecutionsOptions {
  readonly clock: Clock;
  readonly tasks: TaskHandler;
  readonly journal: (executionName: string) => Journal;
  /** Task tokens; must be unguessable and unique. */
  readonly newToken?: () => string;
  /** What `states:startExecution.sync:2` may start, by the StateMachineArn that definitions name. */
  readonly machines?: Readonly<Record<string, StateMachine>>;
  /** Facts of the process for the first event of each history, such as pid and process start time. */
  readonly processFacts?: JsonObject;
  /** In [0, 1), for JitterStrategy FULL. */
  readonly random?: () => number;
}

/** Executions of state machines in this process. They live in memory; their journals outlive it. */
export class EmbeddedExecutions {
  readonly #options: EmbeddedExecutionsOptions;
  readonly #tokens: TaskTokens;
  readonly #names = new Set<string>();

  constructor(options: EmbeddedExecutionsOptions) {
    this.#options = options;
    this.#tokens = new TaskTokens(options.newToken ?? (() => `${randomUUID()}${randomUUID()}`.replaceAll('-', '')));
  }

  /**
   * Starts an execution; the first state is entered after this returns.
   * @throws HoldfastError InvalidInput (name, or input over 256 KiB or not JSON), Duplicate (the name was used in this process)
   */
  start(machine: StateMachine, name: string, input: unknown): Execution {
    const data = checkedInput(name, input);
    if (this.#names.has(name)) throw new HoldfastError('Duplicate', `An execution named ${name} was started before.`);
    this.#names.add(name);
    const { clock, tasks, journal, processFacts = {}, random = Math.random } = this.#options;
    const stop = new AbortController();
    setMaxListeners(0, stop.signal);
    const active = new Set<{ readonly stateName: string }>();
    const arn = `arn:aws:states:local:000000000000:execution:${machine.name}:${name}`;
    const result = runExecution({
      machine,
      name,
      arn,
      input: data,
      clock,
      journal: journal(name),
      processFacts,
      stop,
      active,
      handler: tasks,
      tokens: this.#tokens,
      random,
      startNested: (parameters, signal) => startNested(this, this.#options.machines ?? {}, clock, parameters, signal),
    });
    return {
      name,
      arn,
      result,
      currentStates: () => [...active].map(({ stateName }) => stateName),
      abort: (cause, error = 'Aborted') => {
        stop.abort(new ExecutionStopped('ABORTED', error, cause));
        return result;
      },
    };
  }

  /** @throws TaskTokenError */
  sendTaskSuccess(token: string, output: unknown): void {
    this.#tokens.find(token).answer({ kind: 'success', output: toJson(output) });
  }

  /** @throws TaskTokenError */
  sendTaskFailure(token: string, error: string, cause: string): void {
    this.#tokens.find(token).answer({ kind: 'failure', error, cause });
  }

  /** @throws TaskTokenError: nobody waits for the task any more, and the sender must stop it */
  sendTaskHeartbeat(token: string): void {
    this.#tokens.find(token).beat();
  }
}

function checkedInput(name: string, input: unknown): Json {
  if (!/^[\w.+!@()='-]{1,80}$/.test(name)) {
    throw new HoldfastError(
      'InvalidInput',
      `"${name}" cannot name an execution: 1 to 80 letters, digits and - _ . + ! @ ( ) = '`,
    );
  }
  let data: Json;
  try {
    data = toJson(input);
  } catch (cause) {
    throw new HoldfastError('InvalidInput', 'The input of an execution must be JSON.', { cause });
  }
  if (byteSize(data) <= maximumDataBytes) return data;
  throw new HoldfastError(
    'InvalidInput',
    `The input of an execution may have ${maximumDataBytes} bytes, not ${byteSize(data)}.`,
  );
}

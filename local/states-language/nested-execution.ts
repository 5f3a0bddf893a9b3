import { randomUUID } from 'node:crypto';

import type { Clock } from '../../src/application/ports/clock.ts';
import { isHoldfastError } from '../../src/domain/errors.ts';
import type { Execution } from './execution.ts';
import type { NestedResult } from './execution-scope.ts';
import { StateFailure } from './failures.ts';
import type { JsonObject } from './json.ts';
import type { StateMachine } from './state-machine.ts';

interface Starter {
  start(machine: StateMachine, name: string, input: unknown): Execution;
}

/**
 * `states:startExecution.sync:2`: starts the machine, waits for its end, and answers like DescribeExecution with Input and
 * Output as JSON. An abort of the signal stops the started execution too.
 * @throws StateFailure StepFunctions.StateMachineDoesNotExistException, StepFunctions.ExecutionAlreadyExistsException
 */
export async function startNested(
  starter: Starter,
  machines: Readonly<Record<string, StateMachine>>,
  clock: Clock,
  parameters: JsonObject,
  signal: AbortSignal,
): Promise<NestedResult> {
  const { StateMachineArn: arn, Input: input = {}, Name: name = randomUUID() } = parameters;
  const machine = typeof arn === 'string' && Object.hasOwn(machines, arn) ? machines[arn] : undefined;
  if (!machine || typeof arn !== 'string') {
    throw new StateFailure(
      'StepFunctions.StateMachineDoesNotExistException',
      `There is no state machine ${JSON.stringify(arn)}.`,
    );
  }
  const started = clock.now().getTime();
  const execution = startOrFail(starter, machine, typeof name === 'string' ? name : JSON.stringify(name), input);
  const stop = () => {
    void execution.abort('The execution that started it no longer waits for it.');
  };
  signal.addEventListener('abort', stop, { once: true });
  if (signal.aborted) stop();
  const result = await execution.result;
  signal.removeEventListener('abort', stop);
  return {
    succeeded: result.status === 'SUCCEEDED',
    description: {
      ExecutionArn: execution.arn,
      Input: input,
      InputDetails: { Included: true },
      Name: execution.name,
      StartDate: started,
      StateMachineArn: arn,
      Status: result.status,
      StopDate: clock.now().getTime(),
      ...(result.status === 'SUCCEEDED'
        ? { Output: result.output, OutputDetails: { Included: true } }
        : { Error: result.error, Cause: result.cause }),
    },
  };
}

function startOrFail(starter: Starter, machine: StateMachine, name: string, input: unknown): Execution {
  try {
    return starter.start(machine, name, input);
  } catch (error) {
    if (!isHoldfastError(error)) throw error;
    const type = error.name === 'Duplicate' ? 'ExecutionAlreadyExistsException' : 'ValidationException';
    throw new StateFailure(`StepFunctions.${type}`, error.message);
  }
}

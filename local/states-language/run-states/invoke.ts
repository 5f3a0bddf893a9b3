import type { Visit } from '../execution-scope.ts';
import { asStateFailure, ExecutionStopped, StateFailure } from '../failures.ts';
import { type Json, type JsonObject, toJson } from '../json.ts';
import type { TaskState } from '../state-machine.ts';

/** Characters that an error's cause may have (Step Functions quota). */
const maximumCauseLength = 32_768;

/** Calls the handler as `lambda:invoke` calls a function: payload in, `{ Payload, StatusCode }` out. */
export async function invoke(
  { scope, name, attempt }: Visit<TaskState>,
  parameters: JsonObject,
  signal: AbortSignal,
): Promise<Json> {
  const functionName = parameters['FunctionName'];
  if (typeof functionName !== 'string') {
    throw new StateFailure('States.Runtime', `The FunctionName of the state '${name}' is not a string.`);
  }
  const context = { signal, stateName: name, attempt, executionName: scope.name };
  let result: unknown;
  try {
    result = await scope.handler(
      functionName,
      toJson(parameters['Payload'] === undefined ? {} : parameters['Payload']),
      context,
    );
  } catch (error) {
    throw functionFailure(error);
  }
  try {
    return { Payload: toJson(result), StatusCode: 200 };
  } catch (error) {
    throw new StateFailure('Runtime.MarshalError', errorDocument('Runtime.MarshalError', error));
  }
}

/** A function's error as Lambda reports it: the name of the error, and JSON of type, message and trace. */
function functionFailure(error: unknown): StateFailure {
  const name = error instanceof Error ? error.name : 'Error';
  return new StateFailure(name, errorDocument(name, error));
}

function errorDocument(errorType: string, error: unknown): string {
  const errorMessage = error instanceof Error ? error.message : String(error);
  const trace = error instanceof Error ? (error.stack ?? '').split('\n').slice(0, 10) : [];
  const text = JSON.stringify({ errorType, errorMessage, trace });
  return text.length <= maximumCauseLength
    ? text
    : JSON.stringify({ errorType, errorMessage: errorMessage.slice(0, 16_000), trace: [] });
}

/** What a task threw, for Retry and Catch; what ends the execution is thrown on. */
export function failureOf(thrown: unknown): StateFailure {
  if (thrown instanceof ExecutionStopped) throw thrown;
  return asStateFailure(thrown);
}

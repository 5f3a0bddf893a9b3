import { type ErrorName, errorRegistry } from './error-registry.ts';
import { HoldfastError, isErrorName } from './errors.ts';
import type { Outcome } from './run.ts';

/** An error as a state machine carries it: a name to match and a cause for people. */
export interface StateFailure {
  readonly Error: string;
  readonly Cause?: string | undefined;
}

export type FailureRecord = NonNullable<Outcome['error']>;

/**
 * Characters of a message that crosses a border: the cause of a failure may have 32,768 (Step Functions), also escaped and
 * wrapped. A longer one would end an execution past its clean-up.
 */
const longestMessage = 8000;

/** What crosses a process border as the cause of a failure: small JSON, never a secret. */
export function failureCause(error: HoldfastError): string {
  return JSON.stringify({ code: error.code, message: shorten(error.message), next: shorten(error.next) });
}

function shorten(text: string): string {
  return text.length <= longestMessage ? text : `${text.slice(0, longestMessage)}… (${text.length} characters)`;
}

/** Every error the product meets, as one of its own: what is not one is a defect, with the original as its cause. */
export function asHoldfastError(error: unknown, fallback: ErrorName = 'Internal'): HoldfastError {
  if (error instanceof HoldfastError) return error;
  const text = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  return new HoldfastError(fallback, text, { cause: error });
}

function productName(name: string): ErrorName {
  if (isErrorName(name)) return name;
  if (name === 'States.HeartbeatTimeout') return 'WorkerLost';
  if (name === 'States.Timeout') return 'StepTimedOut';
  return 'Internal';
}

function parseObject(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? { ...value } : undefined;
  } catch {
    return undefined;
  }
}

/** Lambda wraps what a function threw in {errorType, errorMessage}; the worker and the embedded engine do not. */
function describe(cause: string): { message: string; next: string | undefined } {
  const outer = parseObject(cause);
  const inner = typeof outer?.['errorMessage'] === 'string' ? outer['errorMessage'] : cause;
  const fields = parseObject(inner);
  return {
    message: typeof fields?.['message'] === 'string' ? fields['message'] : inner,
    next: typeof fields?.['next'] === 'string' ? fields['next'] : undefined,
  };
}

/** Names a state machine's error for people: States.* become errors of the registry, with what was known of the cause. */
export function nameFailure(failure: StateFailure): FailureRecord {
  const name = productName(failure.Error);
  const { message, next } = describe(failure.Cause ?? '');
  const text = message === '' ? errorRegistry[name].title : message;
  return {
    name,
    code: errorRegistry[name].code,
    message: name === failure.Error ? text : `${failure.Error}: ${text}`,
    next: next ?? errorRegistry[name].next,
  };
}

export function failureRecord(error: HoldfastError): FailureRecord {
  return { name: error.name, code: error.code, message: error.message, next: error.next };
}

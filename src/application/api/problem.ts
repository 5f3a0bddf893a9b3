import type * as z from 'zod';
import { type ErrorName, errorRegistry } from '../../domain/error-registry.ts';
import type { HoldfastError } from '../../domain/errors.ts';
import { redactText } from '../../domain/mongodb-uri.ts';
import type { problemSchema } from './schemas.ts';

export type Problem = z.infer<typeof problemSchema>;

const notFound: readonly ErrorName[] = ['UnknownDeployment', 'UnknownStorage', 'UnknownBackup', 'UnknownRun'];
const wrongRequest: readonly ErrorName[] = ['InvalidInput', 'MethodNotAvailable'];

/** The HTTP status of an error: who asked can do something about 4xx, who runs the stage about 500; 503 is worth a try later. */
export function statusOf(name: ErrorName): number {
  if (notFound.includes(name)) return 404;
  if (wrongRequest.includes(name)) return 400;
  const { kind, retryable } = errorRegistry[name];
  if (kind === 'busy') return 409;
  return retryable || name === 'StepTimedOut' ? 503 : 500;
}

/**
 * An error as RFC 9457 has it, by the product's codes. Of a defect only the fact is told: its text may hold anything, and
 * is in the log of the function.
 * @param requestId finds the request in the logs
 */
export function problemOf(error: HoldfastError, requestId: string): Problem {
  const { name, code } = error;
  const { title, next } = errorRegistry[name];
  const defect = name === 'Internal';
  return {
    type: `urn:holdfast:error:${code.toLowerCase()}`,
    title,
    status: statusOf(name),
    detail: defect ? 'The log of the function says more, under the id of the request.' : redactText(error.message),
    code,
    name,
    next: defect ? next : redactText(error.next),
    requestId,
  };
}

import { MongoNetworkError, MongoServerError, MongoServerSelectionError } from 'mongodb';
import type { ErrorName } from '../../domain/error-registry.ts';
import { HoldfastError } from '../../domain/errors.ts';
import { isSocketError } from '../source/socket-error.ts';

const maxMessageLength = 500;

/** The server's error codes for a wrong login and for a lack of privileges. */
const refusals: ReadonlyMap<number, ErrorName> = new Map([
  [18, 'AuthenticationFailed'],
  [13, 'MissingPrivileges'],
]);

/**
 * Names what the target refused. Its message may quote a document: it is cut, and never taken apart.
 * @param what e.g. `an insert into shop.orders`
 */
export function targetError(what: string, cause: unknown): HoldfastError {
  if (cause instanceof HoldfastError) return cause;
  if (cause instanceof MongoServerError) {
    const message = cause.message.slice(0, maxMessageLength);
    const code = typeof cause.code === 'number' ? cause.code : 0;
    const name = refusals.get(code) ?? 'RestoreRejected';
    return new HoldfastError(name, `The target rejected ${what}: ${message} (code ${code}).`, {
      cause,
      details: { code },
    });
  }
  if (cause instanceof MongoNetworkError || cause instanceof MongoServerSelectionError || isSocketError(cause))
    return new HoldfastError('TargetUnreachable', `The target stopped answering during ${what}.`, { cause });
  return new HoldfastError('Internal', `A defect during ${what}.`, { cause });
}

/** Runs one command against the target; whatever fails names `what`. @throws RestoreRejected, TargetUnreachable */
export async function atTarget<T>(what: string, command: () => Promise<T>): Promise<T> {
  try {
    return await command();
  } catch (cause) {
    throw targetError(what, cause);
  }
}

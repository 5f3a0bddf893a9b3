import {
  MongoClientClosedError,
  MongoExpiredSessionError,
  MongoNetworkError,
  MongoServerError,
  MongoServerSelectionError,
  MongoTopologyClosedError,
} from 'mongodb';
import type { ErrorName } from '../../domain/error-registry.ts';
import { HoldfastError } from '../../domain/errors.ts';
import { isSocketError } from '../source/socket-error.ts';

const maxMessageLength = 500;

/** The server's error codes for a wrong login and for a lack of privileges. */
const refusals: ReadonlyMap<number, ErrorName> = new Map([
  [18, 'AuthenticationFailed'],
  [13, 'MissingPrivileges'],
]);

/** What a server answers that shuts down, or is no writable primary (any more): codes of the driver's SDAM specification. */
const noPrimaryCodes: ReadonlySet<unknown> = new Set([91, 189, 10058, 10107, 11600, 11602, 13435, 13436]);

/** That a server's error is not about what it was asked, but that it is not the one to be asked any more. */
export const saysNoPrimary = (code: unknown): boolean => noPrimaryCodes.has(code);

export function noPrimary(what: string, message: string, code: unknown, cause?: unknown): HoldfastError {
  const text = `The target stopped being a writable primary during ${what}: ${message.slice(0, maxMessageLength)}`;
  return new HoldfastError('TargetUnreachable', `${text} (code ${String(code)}).`, {
    cause,
    next: 'Restore again when the target is stable.',
  });
}

/** No answer, or none any more, also because the client was closed: of whoever gave up, or lost. */
const isUnreachable = (cause: unknown): boolean =>
  cause instanceof MongoNetworkError ||
  cause instanceof MongoServerSelectionError ||
  cause instanceof MongoClientClosedError ||
  cause instanceof MongoTopologyClosedError ||
  cause instanceof MongoExpiredSessionError ||
  isSocketError(cause);

/**
 * Names what the target refused. Its message may quote a document: it is cut, and never taken apart.
 * @param what e.g. `an insert into shop.orders`
 */
export function targetError(what: string, cause: unknown): HoldfastError {
  if (cause instanceof HoldfastError) return cause;
  if (cause instanceof MongoServerError) {
    if (saysNoPrimary(cause.code)) return noPrimary(what, cause.message, cause.code, cause);
    const message = cause.message.slice(0, maxMessageLength);
    const code = typeof cause.code === 'number' ? cause.code : 0;
    const name = refusals.get(code) ?? 'RestoreRejected';
    return new HoldfastError(name, `The target rejected ${what}: ${message} (code ${code}).`, {
      cause,
      details: { code },
    });
  }
  if (isUnreachable(cause))
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

import {
  MongoClientClosedError,
  MongoExpiredSessionError,
  MongoNetworkError,
  MongoOperationTimeoutError,
  MongoServerError,
  MongoServerSelectionError,
} from 'mongodb';
import type { ErrorName } from '../../domain/error-registry.ts';
import { HoldfastError } from '../../domain/errors.ts';
import { isSocketError } from './socket-error.ts';

/** Server error codes that decide something here (mongodb's error_codes.yml; behaviour in mongodb-verified.md §8). */
export const serverCode = {
  unauthorized: 13,
  authenticationFailed: 18,
  namespaceNotFound: 26,
  cursorNotFound: 43,
  shutdownInProgress: 91,
  cappedPositionLost: 136,
  commandNotSupportedOnView: 166,
  queryPlanKilled: 175,
  primarySteppedDown: 189,
  keyNotFound: 211,
  cursorKilled: 237,
  notWritablePrimary: 10107,
  interruptedAtShutdown: 11600,
  interrupted: 11601,
  interruptedDueToReplStateChange: 11602,
  notPrimaryNoSecondaryOk: 13435,
  notPrimaryOrSecondary: 13436,
} as const;

const names = new Map<number, ErrorName>([
  [serverCode.unauthorized, 'MissingPrivileges'],
  [serverCode.authenticationFailed, 'AuthenticationFailed'],
  [serverCode.cappedPositionLost, 'OplogRolledOver'],
  [serverCode.cursorNotFound, 'MemberStateChanged'],
  [serverCode.cursorKilled, 'MemberStateChanged'],
  [serverCode.shutdownInProgress, 'MemberStateChanged'],
  [serverCode.primarySteppedDown, 'MemberStateChanged'],
  [serverCode.notWritablePrimary, 'MemberStateChanged'],
  [serverCode.interruptedAtShutdown, 'MemberStateChanged'],
  [serverCode.interrupted, 'MemberStateChanged'],
  [serverCode.interruptedDueToReplStateChange, 'MemberStateChanged'],
  [serverCode.notPrimaryNoSecondaryOk, 'MemberStateChanged'],
  [serverCode.notPrimaryOrSecondary, 'MemberStateChanged'],
]);

/** Whether the server answered with that code. */
export function isServerError(error: unknown, ...codes: readonly number[]): error is MongoServerError {
  return error instanceof MongoServerError && typeof error.code === 'number' && codes.includes(error.code);
}

/** No answer, or none any more: the connection, not the command, failed. */
function isUnreachable(error: unknown): boolean {
  return (
    error instanceof MongoNetworkError ||
    error instanceof MongoServerSelectionError ||
    error instanceof MongoOperationTimeoutError ||
    error instanceof MongoClientClosedError ||
    error instanceof MongoExpiredSessionError ||
    isSocketError(error)
  );
}

/**
 * What a failed read of the member means to the product. A HoldfastError (of the storage, of an abort) stays itself.
 * @param doing what was being done, for the message: "reading shop.orders"
 */
export function sourceError(error: unknown, member: string, doing: string): HoldfastError {
  if (error instanceof HoldfastError) return error;
  const cause = error instanceof Error ? error : new TypeError(String(error));
  const message = `${member} failed while ${doing}: ${cause.message}`;
  if (isUnreachable(error)) return new HoldfastError('SourceUnreachable', message, { cause });
  if (error instanceof MongoServerError) {
    const code = Number(error.code);
    return new HoldfastError(names.get(code) ?? 'WorkerFailed', message, { cause, details: { member, code } });
  }
  return new HoldfastError('Internal', message, { cause });
}

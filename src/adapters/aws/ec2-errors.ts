import type { ErrorName } from '../../domain/error-registry.ts';
import { HoldfastError } from '../../domain/errors.ts';
import { isKeyTrouble } from '../../domain/stopped-worker.ts';
import { hasName } from './service-errors.ts';

/** What is asked of EC2, for people. */
export interface Ec2Request {
  /** As grants name it: `ec2:CreateSnapshot`. */
  readonly action: `ec2:${string}`;
  /** Of what: `vol-1 of db-1:27017`. */
  readonly on: string;
}

/** Names that the workflow of one side knows: which of them it tries again decides the state machine. */
interface Side {
  /** What may pass by itself. */
  readonly passing: ErrorName;
  /** A volume or an instance that is not there. */
  readonly missing: ErrorName;
  /** Whatever else EC2 refuses: a state that it is not in, a zone, a combination. */
  readonly refused: ErrorName;
}

/**
 * The answer of EC2, or an error of the product in its place.
 * @param absent codes that say that what was asked for is not there
 * @returns undefined for one of those
 * @throws PermissionDenied, VolumeKeyUnavailable, QuotaReached, InvalidConfig (a subnet that is none), or the names of the side
 */
interface AskEc2 {
  <T>(call: Promise<T>, request: Ec2Request): Promise<T>;
  <T>(call: Promise<T>, request: Ec2Request, absent: readonly string[]): Promise<T | undefined>;
}

/** EC2 on the side of the source: volumes under members, and their snapshots. */
export const askAboutSource = asking({
  passing: 'SnapshotFailed',
  missing: 'VolumeNotFound',
  refused: 'SnapshotFailed',
});
/** EC2 on the side of the target: volumes that restores make, and where they are attached. */
export const askAboutTarget = asking({
  ...{ passing: 'TargetUnreachable', missing: 'TargetNotSuitable', refused: 'TargetNotSuitable' },
});

/*
 * Codes of EC2: docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html. It has hundreds; what is not named here
 * is what EC2 refuses as it is.
 */
const denied = [
  ...['UnauthorizedOperation', 'AccessDenied', 'AccessDeniedException', 'AuthFailure'],
  ...['OptInRequired', 'PendingVerification', 'Blocked'],
];
const missing = [
  ...['InvalidVolume.NotFound', 'InvalidVolumeID.Malformed', 'InvalidVolumeID.Duplicate'],
  ...['InvalidInstanceID.NotFound', 'InvalidInstanceID.Malformed'],
];
/** Besides what has an HTTP status of a server's fault. The last are limits of what is under way, not of what there is. */
const passing = [
  ...['RequestLimitExceeded', 'Throttling', 'ThrottlingException', 'RequestThrottled', 'ConcurrentTagAccess'],
  ...['Unavailable', 'ServiceUnavailable', 'InternalError', 'InternalFailure'],
  ...['SnapshotCreationPerVolumeRateExceeded', 'ConcurrentSnapshotLimitExceeded', 'PendingSnapshotLimitExceeded'],
];
const quota = /(?:LimitExceeded|CountExceeded|IOPSLimit)$/;
/** An id that is none has this code in newer calls, and so has every other value that EC2 doesn't take. */
const malformedId = /for parameter (?:volume|instance)/i;

const askAgain =
  'The run asks again by itself; if that goes on, check the way from the VPC to EC2 (endpoint or NAT), and who else in the account calls EC2 or snapshots these volumes.';

export function keyUnavailable(what: string, message: string): HoldfastError {
  return new HoldfastError('VolumeKeyUnavailable', `${what}: ${message}`);
}

function asking(side: Side): AskEc2 {
  return async <T>(call: Promise<T>, request: Ec2Request, absent: readonly string[] = []): Promise<T> => {
    try {
      return await call;
    } catch (cause) {
      if (hasName(cause, absent)) return undefined as T;
      throw ec2Failure(cause, request, side);
    }
  };
}

function ec2Failure(cause: unknown, { action, on }: Ec2Request, side: Side): Error {
  if (cause instanceof HoldfastError) return cause;
  const error = cause instanceof Error ? cause : new Error(String(cause));
  const words = `${error.name}: ${error.message}`;
  const status = (error as { $metadata?: { httpStatusCode?: number } }).$metadata?.httpStatusCode;
  // With the status of a success it is an answer that was cut.
  if (status === undefined || status < 400)
    return new HoldfastError(side.passing, `EC2 did not answer ${action} on ${on}: ${words}`, {
      next: askAgain,
      cause,
    });
  const what = `EC2 refused ${action} on ${on}`;
  const named = (name: ErrorName, next?: string) =>
    new HoldfastError(name, `${what}: ${words}`, { ...(next !== undefined && { next }), cause });
  if (hasName(error, denied)) return named('PermissionDenied');
  if (isKeyTrouble(words)) return keyUnavailable(what, words);
  if (status >= 500 || hasName(error, passing)) return named(side.passing, askAgain);
  if (quota.test(error.name)) return named('QuotaReached');
  if (error.name.startsWith('InvalidSubnet'))
    return named('InvalidConfig', 'Correct network.privateSubnetIds in the config and deploy the stack again.');
  const isMissing = hasName(error, missing) || (error.name === 'InvalidParameterValue' && malformedId.test(words));
  return named(isMissing ? side.missing : side.refused);
}

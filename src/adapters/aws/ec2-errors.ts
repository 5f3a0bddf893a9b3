import { HoldfastError } from '../../domain/errors.ts';
import { isKeyTrouble } from '../../domain/stopped-worker.ts';
import { hasName } from './service-errors.ts';

const deniedNames = ['UnauthorizedOperation', 'AccessDenied', 'AccessDeniedException', 'AuthFailure'];
const missingVolume = ['InvalidVolume.NotFound', 'InvalidVolumeID.Malformed', 'InvalidParameterValue'];
const missingInstance = ['InvalidInstanceID.NotFound', 'InvalidInstanceID.Malformed'];

export function keyUnavailable(what: string, message: string): HoldfastError {
  return new HoldfastError('VolumeKeyUnavailable', `${what}: ${message}`);
}

/**
 * What the product says when EC2 refuses. Throttling and limits pass: SnapshotFailed is tried again.
 * @param what was being done, for people: `vol-1 of db-1:27017 could not be snapshotted`
 */
export function ec2Failure(error: unknown, what: string): Error {
  if (error instanceof HoldfastError) return error;
  if (!(error instanceof Error)) return new HoldfastError('SnapshotFailed', `${what}: ${String(error)}`);
  const message = `${error.name}: ${error.message}`;
  const cause = { cause: error };
  if (hasName(error, deniedNames)) {
    return new HoldfastError('PermissionDenied', `${what}: ${message}`, cause);
  }
  if (isKeyTrouble(message)) return keyUnavailable(what, message);
  if (hasName(error, [...missingVolume, ...missingInstance])) {
    return new HoldfastError('VolumeNotFound', `${what}: ${message}`, cause);
  }
  return new HoldfastError('SnapshotFailed', `${what}: ${message}`, cause);
}

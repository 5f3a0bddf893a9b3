import { HoldfastError } from './errors.ts';

/** How AWS sounds when a KMS key may not be used, is disabled or is gone: it has no one code for it. */
const keyTrouble = /\bKMS\b|KMSKey|CustomerKeyHasBeenRevoked|key ID is not accessible|customer master key/i;

/** ECS reports a key that it may not use by these words, too: EBS took the volume away before it was told of it. */
const volumeTakenAway = /IdempotentParameterMismatch/;

/** ECS gives up after some minutes on a volume whose file system is not the one that was asked for, or that has none. */
const notMounted = /configuring the EBS volume attachment/i;

export function isKeyTrouble(message: string): boolean {
  return keyTrouble.test(message);
}

/**
 * The error of a worker that stopped without an answer.
 * @param reason what its host says
 */
export function stoppedWorkerError(reason: string): HoldfastError {
  const message = `the worker stopped without an answer: ${reason}`;
  if (notMounted.test(reason)) {
    return new HoldfastError('VolumeLayoutUnsupported', message, {
      next: 'The snapshot’s volume could not be mounted. Write its file system under ebs.filesystem; when it has partitions, LVM, RAID or LUKS no worker can mount it: ask for the method snapshot or logical.',
    });
  }
  if (isKeyTrouble(reason) || volumeTakenAway.test(reason)) return new HoldfastError('VolumeKeyUnavailable', message);
  return new HoldfastError('WorkerLost', message);
}

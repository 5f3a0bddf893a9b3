import { HoldfastError } from './errors.ts';

/** How AWS sounds when a KMS key may not be used, is disabled or is gone: it has no one code for it. */
const keyTrouble = /\bKMS\b|KMSKey|CustomerKeyHasBeenRevoked|key ID is not accessible|customer master key/i;

/** ECS reports a key that it may not use by these words, too: EBS took the volume away before it was told of it. */
const volumeTakenAway = /IdempotentParameterMismatch/;

/** ECS gives up after some minutes on a volume whose file system is not the one that was asked for, or that has none. */
const notMounted = /configuring the EBS volume attachment/i;

/** EBS and Fargate, when a quota of the account is used up: a code of EC2 (RequestLimitExceeded is a throttle), or the words of either. */
const quotaUsed = /(?<!Request)LimitExceeded|exceeded your maximum|reached (?:the|your) (?:limit|maximum)|vCPU limit/i;

export function isQuotaTrouble(message: string): boolean {
  return quotaUsed.test(message);
}

export function isKeyTrouble(message: string): boolean {
  return keyTrouble.test(message);
}

/**
 * The error of a worker that stopped without an answer.
 * @param reason what its host says
 */
export function stoppedWorkerError(reason: string): HoldfastError {
  const message = `the worker stopped without an answer: ${reason}`;
  if (isQuotaTrouble(reason)) {
    return new HoldfastError('QuotaReached', message, {
      next: 'Ask for more of what is named: EBS storage or IOPS of gp3 or io2 for the worker’s volume, Fargate On-Demand vCPUs for its task (Service Quotas). Or delete volumes that nobody needs, then start again.',
    });
  }
  if (notMounted.test(reason)) {
    return new HoldfastError('VolumeLayoutUnsupported', message, {
      next: 'The snapshot’s volume could not be mounted. Write its file system under ebs.filesystem; when it has partitions, LVM, RAID or LUKS no worker can mount it: ask for the method snapshot or logical.',
    });
  }
  if (isKeyTrouble(reason) || volumeTakenAway.test(reason)) return new HoldfastError('VolumeKeyUnavailable', message);
  return new HoldfastError('WorkerLost', message);
}

import { randomUUID } from 'node:crypto';
import type { WriteCondition } from '../../application/ports/object-store.ts';
import { HoldfastError } from '../../domain/errors.ts';
import type { S3Action } from './s3-errors.ts';
import type { S3Failure } from './s3-failures.ts';
import { lookAt, type S3Object } from './s3-look.ts';
import type { S3Outcome, S3Requests } from './s3-requests.ts';

const tokenName = 'holdfast-write';
const overName = 'holdfast-over';

/**
 * What makes a conditional write recognisable afterwards. When its answer is lost, it is not known whether it won: sent
 * again, it may lose to itself. So the object carries who wrote it and over what, and whoever is in doubt reads that back.
 */
export interface Claim {
  readonly token: string;
  /** `nothing`, or the ETag that was to be replaced. */
  readonly over: string;
  readonly condition: WriteCondition;
}

export function newClaim(condition: WriteCondition): Claim {
  const over = 'ifMatch' in condition ? condition.ifMatch.replaceAll('"', '') : 'nothing';
  return { token: randomUUID(), over, condition };
}

export function claimMetadata({ token, over }: Claim): { Metadata: Record<string, string> } {
  return { Metadata: { [tokenName]: token, [overName]: over } };
}

export function claimConditions({ condition }: Claim): { IfMatch: string } | { IfNoneMatch: string } {
  return 'ifMatch' in condition ? { IfMatch: condition.ifMatch } : { IfNoneMatch: condition.ifNoneMatch };
}

/** The storage said that the condition does not hold; for what is not there, if-match is answered by 404. */
function lostCondition({ status, code }: S3Failure, { condition }: Claim): boolean {
  return status === 412 || (status === 404 && code !== 'NoSuchBucket' && 'ifMatch' in condition);
}

/**
 * What a conditional write came to that the storage refused, or whose answer was lost.
 * @returns the object, when it is the one that this claim wrote
 * @throws ObjectExists, PreconditionFailed when another one surely won; StorageUnavailable when that can't be told any more:
 *   in between the object was changed again. Else what the failure stands for
 */
export async function resolveClaim(
  claim: Claim,
  outcome: Exclude<S3Outcome<unknown>, { readonly value: unknown }>,
  action: S3Action,
  requests: S3Requests,
): Promise<S3Object> {
  const { failure, doubtful } = outcome;
  const lost = lostCondition(failure, claim) || (failure.code === 'NoSuchUpload' && doubtful);
  if (!lost && !doubtful) throw requests.error(failure, action);
  // Also after a refusal at the first attempt: a proxy may have sent it twice.
  const there = await lookAt(requests, action.key);
  if (there?.metadata[tokenName] === claim.token) return there;
  if ('aborted' in outcome) throw outcome.aborted;
  // Another one wrote over the very thing that this write was to write over: it won, and late attempts of ours will lose.
  if (there?.metadata[overName] === claim.over || (lost && !doubtful)) throw beaten(claim, action.key, requests);
  throw lost ? undecided(action.key, requests) : requests.error(failure, action);
}

/** Whether the object that is there now was written under this claim. */
export async function isOurs(claim: Claim, key: string, requests: S3Requests, attempts?: number): Promise<boolean> {
  return (await lookAt(requests, key, attempts))?.metadata[tokenName] === claim.token;
}

export function objectExists(key: string, { description }: S3Requests): HoldfastError {
  return new HoldfastError('ObjectExists', `Storage ${description}: "${key}" exists already.`, { details: { key } });
}

function beaten({ condition }: Claim, key: string, requests: S3Requests): HoldfastError {
  if ('ifNoneMatch' in condition) return objectExists(key, requests);
  const message = `Storage ${requests.description}: "${key}" is not what was read before.`;
  return new HoldfastError('PreconditionFailed', message, { details: { key } });
}

function undecided(key: string, { description }: S3Requests): HoldfastError {
  const message =
    `Storage ${description}: the answer to a write of "${key}" was lost, and the object was changed again since: ` +
    'whether the write took effect cannot be told.';
  return new HoldfastError('StorageUnavailable', message, { next: 'Read it again.', details: { key } });
}

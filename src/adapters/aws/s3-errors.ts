import { type ErrorName, errorRegistry } from '../../domain/error-registry.ts';
import { HoldfastError } from '../../domain/errors.ts';
import type { S3Failure } from './s3-failures.ts';
import type { S3Place } from './s3-place.ts';

/** What was being done, for a message: the S3 operation, and the key or prefix below the storage's own prefix. */
export interface S3Action {
  readonly operation: S3Operation;
  readonly key: string;
}

/** The operations in use, each with what people call it and the IAM actions that it needs. */
const operations = {
  PutObject: ['write', 's3:PutObject'],
  CreateMultipartUpload: ['write', 's3:PutObject'],
  UploadPart: ['write', 's3:PutObject'],
  CompleteMultipartUpload: ['write', 's3:PutObject'],
  AbortMultipartUpload: ['give up the upload of', 's3:AbortMultipartUpload'],
  ListParts: ['look at the upload of', 's3:ListMultipartUploadParts'],
  ListMultipartUploads: ['list unfinished uploads below', 's3:ListBucketMultipartUploads'],
  GetObject: ['read', 's3:GetObject'],
  HeadObject: ['look at', 's3:GetObject and s3:ListBucket'],
  ListObjectsV2: ['list', 's3:ListBucket'],
  DeleteObjects: ['delete', 's3:DeleteObject'],
  PutObjectRetention: ['lock', 's3:PutObjectRetention'],
  GetObjectRetention: ['look at the lock of', 's3:GetObjectRetention'],
  PutObjectLegalHold: ['hold', 's3:PutObjectLegalHold'],
  GetObjectLegalHold: ['look at the legal hold of', 's3:GetObjectLegalHold'],
} as const satisfies Record<string, readonly [verb: string, permissions: string]>;
export type S3Operation = keyof typeof operations;

/** What a code means to a user. `{bucket}`, `{region}`, `{permissions}`, `{resource}` are filled in. */
interface Meaning {
  readonly name: ErrorName;
  readonly what: string;
  readonly next: string;
}

const meanings: readonly (readonly [RegExp, Meaning])[] = [
  [
    /^(ExpiredToken|TokenRefreshRequired|ExpiredTokenException)$/,
    {
      name: 'StorageAccessDenied',
      what: 'the credentials have expired',
      next: 'Renew the credentials that the storage names, then start again.',
    },
  ],
  [
    /^(InvalidAccessKeyId|SignatureDoesNotMatch|InvalidToken|InvalidSecurity|NotSignedUp)$/,
    {
      name: 'StorageAccessDenied',
      what: 'the storage does not know the access key, or it has another secret',
      next: 'Check the access key and the secret that the storage names in credentials.',
    },
  ],
  [
    /^RequestTimeTooSkewed$/,
    {
      name: 'StorageAccessDenied',
      what: "this machine's clock differs too much from the storage's",
      next: "Set this machine's clock (NTP).",
    },
  ],
  [
    /KMS|^Kms/,
    {
      name: 'StorageAccessDenied',
      what: 'the KMS key cannot be used',
      next: 'Enable the key, and allow kms:GenerateDataKey and kms:Decrypt on it; or name another by kmsKey.',
    },
  ],
  [
    /^NoSuchBucket$/,
    {
      name: 'StorageNotFound',
      what: 'there is no bucket {bucket}',
      next: 'Correct bucket or endpoint of the storage, or make the bucket. If it was deleted, so were its backups.',
    },
  ],
  [
    /^(NoSuchKey|NotFound)$/,
    { name: 'ObjectNotFound', what: 'it is not there', next: errorRegistry.ObjectNotFound.next },
  ],
  [
    /^NoSuchUpload$/,
    {
      name: 'StorageUnavailable',
      what: 'its upload was ended from outside',
      next: 'Start again. If a lifecycle rule ends uploads, give them a day at least.',
    },
  ],
  [
    /^(ConditionalRequestConflict|OperationAborted)$/,
    {
      name: 'StorageUnavailable',
      what: 'others change it all the time',
      next: 'Start again.',
    },
  ],
  [
    /^(PermanentRedirect|AuthorizationHeaderMalformed|IllegalLocationConstraintException|TemporaryRedirect)$/,
    {
      name: 'InvalidConfig',
      what: 'the bucket {bucket} is not in the region of the config',
      next: 'Write region: {region} at the storage.',
    },
  ],
  [
    /^(XMinioStorageFull|QuotaExceeded|InsufficientCapacity|InsufficientStorage|XMinioAdminBucketQuotaExceeded)$/,
    { name: 'StorageFull', what: 'it has no room', next: 'Free space in the storage, or choose another one.' },
  ],
  [
    /^InvalidObjectState$/,
    {
      name: 'StorageAccessDenied',
      what: 'the object is in an archive class, where it cannot be read',
      next: 'Restore the object from the archive (RestoreObject), then start again.',
    },
  ],
  [
    /^(NotImplemented|InvalidArgument|InvalidRequest|MalformedXML|MethodNotAllowed|UnsupportedOperation)$/,
    {
      name: 'StorageNotSuitable',
      what: 'it cannot do what is asked of it',
      next: 'Use a storage that knows conditional writes, multipart uploads and CRC-32 checksums as S3 does.',
    },
  ],
  [
    /^(AccessDenied|Forbidden|AllAccessDisabled|AccountProblem|UnauthorizedAccess)$/,
    {
      name: 'StorageAccessDenied',
      what: 'access is denied',
      next: 'Allow {permissions} on {resource}; look also for a deny in the bucket policy, the endpoint policy and the object lock.',
    },
  ],
  [
    /^(ERR_TLS_|CERT_|DEPTH_ZERO_SELF_SIGNED|SELF_SIGNED|UNABLE_TO_(GET|VERIFY))/,
    {
      name: 'StorageUnavailable',
      what: 'its certificate is not trusted',
      next: 'Name the PEM file of your CA by caFile of the storage, and check that the endpoint has the name that is on the certificate.',
    },
  ],
  [
    /^(ECONNREFUSED|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH)$/,
    {
      name: 'StorageUnavailable',
      what: 'it could not be reached',
      next: 'Check the endpoint of the storage, name resolution and network from this machine.',
    },
  ],
  [
    /^CredentialsProviderError$/,
    {
      name: 'CredentialsUnavailable',
      what: 'there are no credentials',
      next: 'Name them by credentials of the storage, or provide AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, a profile or a role.',
    },
  ],
  [
    /^(ChecksumMismatch|BadDigest|XAmzContentChecksumMismatch)$/,
    {
      name: 'CorruptObject',
      what: 'the bytes are not those of their checksum, at every try',
      next: 'Look at the storage and at proxies on the way; the object that the message names cannot be trusted.',
    },
  ],
];

const denied = meanings.find(([pattern]) => pattern.test('AccessDenied'))?.[1] as Meaning;

function meaningOf({ code, status, said }: S3Failure): Meaning {
  const found = meanings.find(([pattern]) => pattern.test(code))?.[1];
  // S3 says AccessDenied of its own rules and of those of the key: the words tell which.
  if (found === denied && /\bkms:/i.test(said)) return meaningOf({ code: 'KMS', status, said } as S3Failure);
  if (found) return found;
  if (status === 401 || status === 403) return denied;
  if (status === 507) return meaningOf({ code: 'InsufficientStorage', said } as S3Failure);
  if (status === 301 || status === 307) return meaningOf({ code: 'PermanentRedirect', said } as S3Failure);
  if (status !== undefined && status >= 400 && (status < 500 || status === 501) && status !== 429)
    return meaningOf({ code: 'NotImplemented', said } as S3Failure);
  return {
    name: 'StorageUnavailable',
    what: 'it does not answer as it should',
    next: 'Check the storage and the network, then start again.',
  };
}

/** A request's failure as an error of the product: what was done, what the storage said, what to do. */
export function storageError(
  failure: S3Failure,
  { operation, key }: S3Action,
  storage: { readonly place: S3Place; readonly description: string },
): HoldfastError {
  const { place, description } = storage;
  const [verb, permissions] = operations[operation];
  const { name, what, next } = meaningOf(failure);
  const resource = `arn:aws:s3:::${place.bucket}${permissions.startsWith('s3:ListBucket') ? '' : `/${place.prefix}*`}`;
  const fill = (text: string) =>
    text
      .replace('{bucket}', place.bucket)
      .replace('{region}', failure.region ?? 'the one that the bucket is in')
      .replace('{permissions}', permissions)
      .replace('{resource}', resource);
  const status = failure.status === undefined ? '' : ` ${failure.status}`;
  const said = failure.said === '' || failure.said === failure.code ? '' : `: ${failure.said}`;
  return new HoldfastError(
    name,
    `Storage ${description}: could not ${verb} "${key}": ${fill(what)} (${operation}${status} ${failure.code}${said}).`,
    {
      next: fill(next),
      details: {
        key,
        operation,
        code: failure.code,
        ...(failure.status !== undefined && { status: failure.status }),
        ...(failure.requestId !== undefined && { requestId: failure.requestId }),
      },
    },
  );
}

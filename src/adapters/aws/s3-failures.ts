/** What went wrong with one request, without anything that must not be shown. */
export interface S3Failure {
  /** S3's code (`SlowDown`), Node's (`ECONNRESET`), or one of ours (`TruncatedBody`). */
  readonly code: string;
  readonly status: number | undefined;
  /** The storage's own words, shortened. */
  readonly said: string;
  /** For the storage's support. */
  readonly requestId: string | undefined;
  /** The region in which the bucket is, where the storage says so. */
  readonly region: string | undefined;
  readonly retryable: boolean;
  /** Nothing was done for this request. False: the answer was lost, and what was asked for may have happened. */
  readonly ineffective: boolean;
}

/** A failure that this adapter itself saw in an answer. */
export class AnswerError extends Error {
  override readonly name = 'AnswerError';
  readonly code: 'TruncatedBody' | 'StalledBody' | 'MalformedAnswer' | 'ChecksumMismatch' | 'TooSlow';

  constructor(code: AnswerError['code'], message: string) {
    super(message);
    this.code = code;
  }
}

/** A failure that came inside of an answer that succeeded: one key of a batch. */
export class ReportedFailure extends Error {
  override readonly name = 'ReportedFailure';
  readonly failure: S3Failure;

  constructor(failure: S3Failure) {
    super(failure.said);
    this.failure = failure;
  }
}

/** Refused before anything was done, for a reason that passes. */
const passing = new Set([
  'SlowDown',
  'TooManyRequests',
  'Throttling',
  'ThrottlingException',
  'RequestTimeout',
  'RequestTimeTooSkewed',
  'ConditionalRequestConflict',
  'OperationAborted',
  'BadDigest',
  'XAmzContentChecksumMismatch',
]);
/** No connection, so nothing was sent. */
const unconnected = new Set(['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH']);
const certificates = /^(ERR_TLS_|CERT_|DEPTH_ZERO_SELF_SIGNED|SELF_SIGNED|UNABLE_TO_(GET|VERIFY)|EPROTO|ERR_SSL)/;
/** A server error that stays: the storage lacks the function, or room. */
const lasting = new Set([501, 507]);

interface SdkError {
  readonly name?: string;
  readonly code?: string;
  readonly message?: string;
  readonly $metadata?: { readonly httpStatusCode?: number; readonly requestId?: string };
  readonly $response?: { readonly headers?: Readonly<Record<string, string | undefined>> };
  readonly Region?: unknown;
}

/** What the SDK or the network threw, sorted. */
export function readFailure(thrown: unknown): S3Failure {
  if (thrown instanceof ReportedFailure) return thrown.failure;
  const error = (typeof thrown === 'object' && thrown !== null ? thrown : {}) as SdkError;
  const status = error.$metadata?.httpStatusCode;
  const name = error.name ?? 'UnknownError';
  const code = status === undefined || !isServiceCode(name) ? (error.code ?? name) : name;
  const bucketRegion = error.$response?.headers?.['x-amz-bucket-region'] ?? error.Region;
  return {
    code,
    status,
    said: shorten(error.message ?? String(thrown)),
    requestId: error.$metadata?.requestId,
    region: typeof bucketRegion === 'string' ? bucketRegion : undefined,
    ...judge(name, code, status),
  };
}

/** One key's failure in the answer to a batch, which gives a code and no status. */
export function readKeyFailure(code: string, message: string): S3Failure {
  const status = /^(InternalError|ServiceUnavailable)$/.test(code) ? 500 : undefined;
  const known = { name: code, message, $metadata: { httpStatusCode: status ?? 400 } };
  return { ...readFailure(known), status };
}

function isServiceCode(name: string): boolean {
  return !['Error', 'TypeError', 'SyntaxError', 'TimeoutError', 'AnswerError', 'UnknownError'].includes(name);
}

function judge(name: string, code: string, status: number | undefined): Pick<S3Failure, 'retryable' | 'ineffective'> {
  if (name === 'CredentialsProviderError' || name === 'HoldfastError') return { retryable: false, ineffective: true };
  if (passing.has(code) || status === 429) return { retryable: true, ineffective: true };
  if (unconnected.has(code)) return { retryable: true, ineffective: true };
  if (certificates.test(code)) return { retryable: false, ineffective: true };
  if (status === undefined || status < 300) return { retryable: true, ineffective: false };
  if (status >= 500) return { retryable: !lasting.has(status), ineffective: lasting.has(status) };
  return { retryable: false, ineffective: true };
}

/** Without line breaks, and without what could be a token or a signature that the storage repeats. */
function shorten(text: string): string {
  const line = text
    .replace(/[\u0000-\u001f\u007f]+/g, ' ')
    .replace(/[A-Za-z0-9+/=%]{40,}/g, '[…]')
    .trim();
  return line.length > 300 ? `${line.slice(0, 300)}…` : line;
}

/** A place in S3, or in a server that speaks its API: everything that requests need to know, no secret among it. */
export interface S3Place {
  readonly bucket: string;
  /** Before every key: empty, or ending with "/". */
  readonly prefix: string;
  readonly region: string;
  /** `https://minio.internal:9000`; AWS's own when left out. */
  readonly endpoint?: string | undefined;
  /** `endpoint/bucket/key` instead of `bucket.endpoint/key`. */
  readonly forcePathStyle?: boolean | undefined;
  /** PEM certificates that are trusted instead of the usual ones. */
  readonly ca?: string | undefined;
  /** Id, alias or ARN: objects are encrypted with it (SSE-KMS, with a bucket key). The bucket's own default when left out. */
  readonly kmsKey?: string | undefined;
}

/** An access key, as the SDK takes it. */
export interface AccessKey {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
}

/** How long a request may do nothing, and how often it is tried again. Milliseconds and bytes. */
export interface S3Patience {
  readonly attempts: number;
  /** The first pause is up to this long, each further one up to twice as long, all of them random (full jitter). */
  readonly pauseMs: number;
  readonly longestPauseMs: number;
  readonly connectMs: number;
  /** Without a byte in or out for so long, a request has failed. */
  readonly idleMs: number;
  /** A body of which less than this comes within `idleMs` has stalled, too. */
  readonly idleBytes: number;
  /** The longest that one attempt may take, however busy it looks. */
  readonly attemptMs: number;
}

export const usualPatience: S3Patience = {
  attempts: 10,
  pauseMs: 200,
  longestPauseMs: 20_000,
  connectMs: 10_000,
  idleMs: 30_000,
  idleBytes: 64 * 1024,
  attemptMs: 600_000,
};

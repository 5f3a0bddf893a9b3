import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import type * as Sdk from '@aws-sdk/client-s3';
import { HoldfastError } from '../../domain/errors.ts';
import type { AccessKey, S3Patience, S3Place } from './s3-place.ts';

/** The SDK and a client of it. */
export interface S3Session {
  readonly sdk: typeof Sdk;
  readonly client: Sdk.S3Client;
}

/** Milliseconds. The SDK asks again five minutes before the end, so that a key that was rotated is taken up after five. */
const keyLifetime = 600_000;

/** More than the connections of the largest `limits.parallel`, each with its parts in flight. */
const maxSockets = 256;

/** Opens its client at the first request: a program that needs no S3 never loads the SDK. */
export class S3Connection {
  readonly #place: S3Place;
  readonly #patience: S3Patience;
  readonly #readKey: (() => Promise<AccessKey>) | undefined;
  #session: Promise<S3Session> | undefined;
  #closed = false;

  /** @param readKey asked again every five minutes; the SDK's own chain (environment, profile, role) when left out */
  constructor(place: S3Place, patience: S3Patience, readKey?: () => Promise<AccessKey>) {
    this.#place = place;
    this.#patience = patience;
    this.#readKey = readKey;
  }

  /** @throws StorageUnavailable once it is closed: what fails by that is not tried again */
  async session(): Promise<S3Session> {
    if (this.#closed) throw new HoldfastError('StorageUnavailable', 'The connection to the storage was closed.');
    return (this.#session ??= this.#open());
  }

  /** Ends its connections; requests under way fail. */
  async close(): Promise<void> {
    this.#closed = true;
    const session = await this.#session?.catch(() => undefined);
    session?.client.destroy();
  }

  async #open(): Promise<S3Session> {
    const { region, endpoint, forcePathStyle, ca } = this.#place;
    const { connectMs, idleMs } = this.#patience;
    const readKey = this.#readKey;
    const sdk = await import('@aws-sdk/client-s3');
    const agent = { keepAlive: true, maxSockets };
    const client = new sdk.S3Client({
      region,
      ...(endpoint !== undefined && { endpoint }),
      ...(forcePathStyle !== undefined && { forcePathStyle }),
      ...(readKey && {
        credentials: async () => ({ ...(await readKey()), expiration: new Date(Date.now() + keyLifetime) }),
      }),
      // What may be sent again, and what a lost answer meant, is decided in S3Requests.
      maxAttempts: 1,
      // Checksums are computed and compared here, over the whole object, so that the SDK adds none of its own.
      requestChecksumCalculation: 'WHEN_REQUIRED',
      responseChecksumValidation: 'WHEN_REQUIRED',
      // It would open a new connection for every part.
      expectContinueHeader: false,
      requestHandler: {
        connectionTimeout: connectMs,
        socketTimeout: idleMs,
        httpAgent: new HttpAgent(agent),
        httpsAgent: new HttpsAgent({ ...agent, ...(ca !== undefined && { ca }) }),
      },
    });
    return { sdk, client };
  }
}

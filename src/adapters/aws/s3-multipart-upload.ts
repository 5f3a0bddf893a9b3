import type { CompletedPart } from '@aws-sdk/client-s3';
import { crc32 } from 'node:zlib';
import { HoldfastError } from '../../domain/errors.ts';
import { crc32ToBase64, crc32ToHex, reportedCrc32 } from './s3-checksums.ts';
import { type Claim, claimConditions, claimMetadata, resolveClaim } from './s3-claims.ts';
import { AnswerError } from './s3-failures.ts';
import { requireEtag } from './s3-look.ts';
import type { S3Requests } from './s3-requests.ts';
import { encryption } from './s3-whole-writes.ts';

/** What is known of the whole once all parts are there. */
export interface WholeObject {
  readonly size: number;
  /** CRC-32 as a number. */
  readonly checksum: number;
}

/** One multipart upload: create-only, with a CRC-32 of the whole object that the storage computes too. */
export class S3MultipartUpload {
  readonly #requests: S3Requests;
  readonly #key: string;
  readonly #claim: Claim;
  readonly #id: string;
  readonly #parts: CompletedPart[] = [];

  private constructor(requests: S3Requests, key: string, claim: Claim, id: string) {
    this.#requests = requests;
    this.#key = key;
    this.#claim = claim;
    this.#id = id;
  }

  static async begin(
    requests: S3Requests,
    key: string,
    claim: Claim,
    signal?: AbortSignal,
  ): Promise<S3MultipartUpload> {
    const id = await requests.send({
      operation: 'CreateMultipartUpload',
      key,
      // An upload whose id is not waited for could not be given up.
      patientSignal: signal,
      run: async ({ sdk, client, options }) => {
        const command = new sdk.CreateMultipartUploadCommand({
          ...requests.target(key),
          ...encryption(requests.place),
          ...claimMetadata(claim),
          ChecksumAlgorithm: 'CRC32',
          ChecksumType: 'FULL_OBJECT',
        });
        const { UploadId } = await client.send(command, options);
        if (UploadId === undefined) throw new AnswerError('MalformedAnswer', 'the answer has no upload id');
        return UploadId;
      },
    });
    return new S3MultipartUpload(requests, key, claim, id);
  }

  /** @param number from 1 */
  async upload(number: number, body: Uint8Array, signal?: AbortSignal): Promise<void> {
    const ChecksumCRC32 = crc32ToBase64(crc32(body));
    const ETag = await this.#requests.send({
      operation: 'UploadPart',
      key: this.#key,
      signal,
      run: async ({ sdk, client, options }) => {
        const command = new sdk.UploadPartCommand({
          ...this.#target(),
          PartNumber: number,
          Body: body,
          ContentLength: body.length,
          ChecksumCRC32,
        });
        return requireEtag((await client.send(command, options)).ETag);
      },
    });
    this.#parts.push({ PartNumber: number, ETag, ChecksumCRC32 });
  }

  /**
   * Makes the parts the object, unless one is there. @param signal stops trying again; what was sent is waited for
   * @returns its ETag. @throws ObjectExists, CorruptObject when the storage's checksum of the whole differs
   */
  async complete(whole: WholeObject, signal?: AbortSignal): Promise<string> {
    const action = { operation: 'CompleteMultipartUpload', key: this.#key } as const;
    const outcome = await this.#requests.outcome({
      ...action,
      patientSignal: signal,
      run: async ({ sdk, client, options }) => {
        const command = new sdk.CompleteMultipartUploadCommand({
          ...this.#target(),
          ...claimConditions(this.#claim),
          ChecksumCRC32: crc32ToBase64(whole.checksum),
          ChecksumType: 'FULL_OBJECT',
          MpuObjectSize: whole.size,
          MultipartUpload: { Parts: this.#parts.toSorted((a, b) => (a.PartNumber ?? 0) - (b.PartNumber ?? 0)) },
        });
        const answer = await client.send(command, options);
        return { etag: requireEtag(answer.ETag), crc32: reportedCrc32(answer) };
      },
    });
    const done = 'value' in outcome ? outcome.value : await resolveClaim(this.#claim, outcome, action, this.#requests);
    if (done.crc32 === undefined || done.crc32 === crc32ToHex(whole.checksum)) return done.etag;
    const message = `Storage ${this.#requests.description}: "${this.#key}" has the CRC-32 ${done.crc32}, ${crc32ToHex(whole.checksum)} was written.`;
    throw new HoldfastError('CorruptObject', message, { details: { key: this.#key } });
  }

  /** Gives the upload up and has its parts removed. Never throws: what cannot be removed now, the sweep removes. */
  async abort(): Promise<void> {
    await abortUpload(this.#requests, this.#key, this.#id, 3).catch(() => undefined);
  }

  #target() {
    return { ...this.#requests.target(this.#key), UploadId: this.#id };
  }
}

/** A part that was on its way can arrive after the abort, which must then be repeated. */
const aborts = 3;

/** Gives an upload up, until the storage knows nothing of it any more; one that is gone already is fine. */
export async function abortUpload(
  requests: S3Requests,
  key: string,
  uploadId: string,
  attempts?: number,
): Promise<void> {
  const target = { ...requests.target(key), UploadId: uploadId };
  for (let round = 0; round < aborts; round++) {
    const aborted = await requests.outcome({
      operation: 'AbortMultipartUpload',
      key,
      attempts,
      run: ({ sdk, client, options }) => client.send(new sdk.AbortMultipartUploadCommand(target), options),
    });
    if ('failure' in aborted && aborted.failure.code !== 'NoSuchUpload') {
      throw requests.error(aborted.failure, { operation: 'AbortMultipartUpload', key });
    }
    const left = await requests.outcome({
      operation: 'ListParts',
      key,
      attempts,
      run: ({ sdk, client, options }) => client.send(new sdk.ListPartsCommand({ ...target, MaxParts: 1 }), options),
    });
    if (!('value' in left)) return;
  }
}

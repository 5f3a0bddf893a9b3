import { crc32 } from 'node:zlib';
import type { WrittenObject } from '../../application/ports/object-store.ts';
import { HoldfastError } from '../../domain/errors.ts';
import { abortableSource } from '../abortable-source.ts';
import { crc32ToHex } from './s3-checksums.ts';
import { type Claim, isOurs, newClaim, objectExists } from './s3-claims.ts';
import { deleteObjects } from './s3-deletion.ts';
import { lookAt } from './s3-look.ts';
import { S3MultipartUpload } from './s3-multipart-upload.ts';
import type { S3Requests } from './s3-requests.ts';
import { writeClaimed } from './s3-whole-writes.ts';

/** S3 takes 10,000 parts: objects up to 78 GiB, hundreds of times the largest pack and more than any index. */
export const partBytes = 8 * 1024 * 1024;
const mostParts = 10_000;

/** Part buffers that all streams of a store share, beyond the one that each of them has anyway. */
const sharedParts = 8;

/**
 * Writes streams. Each has one buffer of a part to itself and so always goes on; further ones, which let it read on while
 * parts are being sent, come out of a common supply when there are any. Memory: 8 MiB for each stream and 64 MiB.
 */
export class S3StreamWrites {
  readonly #requests: S3Requests;
  #spare = sharedParts;

  constructor(requests: S3Requests) {
    this.#requests = requests;
  }

  /** @throws ObjectExists, the source's own error, the reason of the signal, the storage's errors; nothing is then left */
  async write(key: string, source: AsyncIterable<Uint8Array>, signal?: AbortSignal): Promise<WrittenObject> {
    signal?.throwIfAborted();
    // Better told before gigabytes are read; the condition at the end decides.
    if (await lookAt(this.#requests, key)) throw objectExists(key, this.#requests);
    const stream = new PartStream(this.#requests, key, {
      take: () => this.#spare > 0 && this.#spare-- > 0,
      giveBack: () => this.#spare++,
    });
    return stream.write(source, signal);
  }
}

interface Supply {
  readonly take: () => boolean;
  readonly giveBack: () => void;
}

class PartStream {
  readonly #requests: S3Requests;
  readonly #key: string;
  readonly #supply: Supply;
  readonly #claim: Claim = newClaim({ ifNoneMatch: '*' });
  /** Aborted by the first part that fails, so that the source is not asked for more. */
  readonly #broken = new AbortController();
  readonly #underWay = new Set<Promise<void>>();
  #upload: S3MultipartUpload | undefined;
  #part: Buffer = Buffer.allocUnsafeSlow(partBytes);
  #filled = 0;
  #count = 0;
  #size = 0;
  #checksum = 0;
  #committing = false;

  constructor(requests: S3Requests, key: string, supply: Supply) {
    this.#requests = requests;
    this.#key = key;
    this.#supply = supply;
  }

  async write(source: AsyncIterable<Uint8Array>, outer: AbortSignal | undefined): Promise<WrittenObject> {
    const signal = outer ? AbortSignal.any([outer, this.#broken.signal]) : this.#broken.signal;
    try {
      for await (const chunk of abortableSource(source, signal)) await this.#take(chunk, signal);
      signal.throwIfAborted();
      return await this.#finish(outer, signal);
    } catch (error) {
      this.#broken.abort(error);
      await this.#discard();
      throw error;
    }
  }

  async #take(chunk: Uint8Array, signal: AbortSignal): Promise<void> {
    this.#checksum = crc32(chunk, this.#checksum);
    this.#size += chunk.length;
    for (let at = 0; at < chunk.length;) {
      const piece = chunk.subarray(at, at + partBytes - this.#filled);
      this.#part.set(piece, this.#filled);
      this.#filled += piece.length;
      at += piece.length;
      if (this.#filled === partBytes) await this.#send(signal);
    }
  }

  /** Sends the part that is filled; returns when there is a buffer for the next one. */
  async #send(signal: AbortSignal): Promise<void> {
    if (this.#count === mostParts) throw this.#tooLarge();
    this.#upload ??= await S3MultipartUpload.begin(this.#requests, this.#key, this.#claim, signal);
    const sent = this.#upload.upload(++this.#count, this.#part.subarray(0, this.#filled), signal);
    this.#filled = 0;
    if (!this.#supply.take()) {
      await sent;
      return;
    }
    this.#part = Buffer.allocUnsafeSlow(partBytes);
    const settled = sent
      .catch((error: unknown) => {
        this.#broken.abort(error);
      })
      .finally(() => {
        this.#supply.giveBack();
        this.#underWay.delete(settled);
      });
    this.#underWay.add(settled);
  }

  async #finish(outer: AbortSignal | undefined, signal: AbortSignal): Promise<WrittenObject> {
    if (!this.#upload) {
      this.#committing = true;
      return writeClaimed(this.#requests, this.#key, this.#part.subarray(0, this.#filled), this.#claim, outer);
    }
    if (this.#filled > 0) await this.#send(signal);
    await Promise.all(this.#underWay);
    signal.throwIfAborted();
    this.#committing = true;
    const etag = await this.#upload.complete({ size: this.#size, checksum: this.#checksum }, outer);
    return { key: this.#key, size: this.#size, etag, crc32: crc32ToHex(this.#checksum) };
  }

  /** Removes the upload, and the object, should it have come to be although its writing failed. Never throws. */
  async #discard(): Promise<void> {
    await Promise.all(this.#underWay);
    await this.#upload?.abort();
    if (!this.#committing) return;
    try {
      if (await isOurs(this.#claim, this.#key, this.#requests, 3)) await deleteObjects(this.#requests, [this.#key]);
    } catch {
      // The storage cannot be reached, or this user may not delete: the error that led here says more.
    }
  }

  #tooLarge(): HoldfastError {
    const message = `Storage ${this.#requests.description}: "${this.#key}" is larger than ${mostParts} parts of ${partBytes} bytes.`;
    return new HoldfastError('Internal', message, { details: { key: this.#key } });
  }
}

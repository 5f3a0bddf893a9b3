import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { join } from 'node:path';
import { Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { promisify } from 'node:util';
import { HoldfastError } from '../../src/domain/errors.ts';
import { mongodBuild, type MongodArchitecture } from '../../src/domain/mongod-build.ts';
import { pinnedVersion } from './mongod-cache.ts';

const architectures: Readonly<Record<string, MongodArchitecture>> = { 'linux-x64': 'x86_64', 'linux-arm64': 'arm64' };

export interface DownloadOptions {
  /** MongoDB's own download site; tests name a server of theirs. */
  readonly base: string;
  /** Milliseconds until an answer, and between two pieces of it, before the site counts as unreachable. */
  readonly patienceMs: number;
}

const refuse = (message: string, cause?: unknown) => new HoldfastError('MongodUnavailable', message, { cause });

/** One request that is given up when nothing arrives for `patienceMs`, at its start or in its middle. */
async function request(url: string, patienceMs: number): Promise<AsyncIterable<Uint8Array>> {
  const giveUp = new AbortController();
  const start = () =>
    setTimeout(() => {
      giveUp.abort(refuse(`nothing came for ${patienceMs / 1000} s`));
    }, patienceMs);
  let timer = start();
  const explain = (error: unknown) => {
    clearTimeout(timer);
    const { cause, message } = error as { cause?: { code?: string; message: string }; message: string };
    return refuse(cause?.code ?? cause?.message ?? message, error);
  };
  const response = await fetch(url, { signal: giveUp.signal }).catch((error: unknown) =>
    Promise.reject(explain(error)),
  );
  const { body } = response;
  if (!response.ok || body === null) {
    clearTimeout(timer);
    await body?.cancel();
    throw refuse(`HTTP ${response.status}`);
  }
  return (async function* () {
    try {
      for await (const piece of body) {
        clearTimeout(timer);
        yield piece;
        timer = start();
      }
    } catch (error) {
      throw explain(error);
    } finally {
      clearTimeout(timer);
    }
  })();
}

async function text(pieces: AsyncIterable<Uint8Array>): Promise<string> {
  const parts: Uint8Array[] = [];
  for await (const piece of pieces) parts.push(piece);
  return Buffer.concat(parts).toString('utf8');
}

/**
 * Fetches the official tarball of the pinned version for this platform into `directory`, compares it with the SHA-256
 * that is published beside it, and unpacks mongod.
 * @returns the path of the binary. @throws HoldfastError MongodUnavailable with the reason.
 */
export async function downloadOfficial(directory: string, options: DownloadOptions): Promise<string> {
  const platform = `${process.platform}-${process.arch}`;
  const architecture = architectures[platform];
  if (architecture === undefined) throw refuse(`no build for ${platform}`);
  const name = mongodBuild(pinnedVersion, architecture);
  const url = `${options.base}/${name}.tgz`;
  const published = /^([0-9a-f]{64})\b/i.exec(await text(await request(`${url}.sha256`, options.patienceMs)))?.[1];
  if (published === undefined) throw refuse('the published checksum is not one');

  const tarball = join(directory, `${name}.tgz`);
  const hash = createHash('sha256');
  const hashing = new Transform({
    transform(piece: Uint8Array, _encoding, done) {
      hash.update(piece);
      done(null, piece);
    },
  });
  await pipeline(Readable.from(await request(url, options.patienceMs)), hashing, createWriteStream(tarball));
  if (hash.digest('hex') !== published.toLowerCase()) throw refuse('the download differs from its published checksum');

  const binary = `${name}/bin/mongod`;
  await promisify(execFile)('tar', ['-xzf', tarball, '-C', directory, binary]).catch((error: unknown) => {
    throw refuse('the download could not be unpacked by tar', error);
  });
  return join(directory, binary);
}

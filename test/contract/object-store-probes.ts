import { expect } from 'vitest';
import { crc32 } from 'node:zlib';
import type { ObjectStore } from '../../src/application/ports/object-store.ts';
import { HoldfastError } from '../../src/domain/errors.ts';

/** Cases get the store when they run: it is made in beforeAll. */
export type Get = () => ObjectStore;

export const bytes = (text: string) => Buffer.from(text);
export const checksumOf = (body: Uint8Array) => crc32(body).toString(16).padStart(8, '0');
export const nameOf = (error: unknown) => (error instanceof HoldfastError ? error.name : error);

export async function keysOf(store: ObjectStore, prefix = ''): Promise<string[]> {
  const keys: string[] = [];
  for await (const object of store.list(prefix)) keys.push(object.key);
  return keys;
}

export async function* chunks(...parts: readonly Uint8Array[]): AsyncIterable<Uint8Array> {
  for (const part of parts) {
    await Promise.resolve();
    yield part;
  }
}

/** Runs the work twenty times at once. @returns the names of the errors, `won` for each success */
export async function race(work: (n: number) => Promise<unknown>): Promise<unknown[]> {
  const results = await Promise.allSettled(Array.from({ length: 20 }, (_, n) => work(n)));
  return results.map((result) => (result.status === 'fulfilled' ? 'won' : nameOf(result.reason)));
}

export const rejectsWith = (promise: Promise<unknown>, name: string) =>
  expect(promise).rejects.toSatisfy((error: unknown) => nameOf(error) === name, `a HoldfastError ${name}`);

/** Reads, adds one, writes if nothing changed; again when something did. */
export async function incrementTimes(store: ObjectStore, key: string, times: number): Promise<void> {
  for (let done = 0; done < times;) {
    const { body, etag } = await store.get(key);
    try {
      await store.put(key, bytes(String(Number(body.toString()) + 1)), { ifMatch: etag });
      done++;
    } catch (error) {
      if (nameOf(error) !== 'PreconditionFailed') throw error;
    }
  }
}

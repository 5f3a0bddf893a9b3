import { hash } from 'node:crypto';
import type { z } from 'zod';
import { HoldfastError, isHoldfastError } from '../domain/errors.ts';
import type { ObjectStore, WriteCondition } from './ports/object-store.ts';

/** SHA-256 of a text's UTF-8, 64 lower hex digits. */
export function sha256Hex(data: string | Buffer): string {
  return hash('sha256', data, 'hex');
}

/** JSON documents of the state storage: pretty-printed, so that an operator can read them. */
function encode(value: unknown): Buffer {
  return Buffer.from(`${JSON.stringify(value, null, 2)}\n`);
}

function isNewer(value: unknown): boolean {
  return (
    typeof value === 'object' &&
    value !== null &&
    'schemaVersion' in value &&
    typeof value.schemaVersion === 'number' &&
    value.schemaVersion > 1
  );
}

/** Documents are written whole or not at all. */
const damagedNext = 'The disk or another program damaged it. Move it away once no run uses it, and start again.';

function decode<S extends z.ZodType>(store: ObjectStore, key: string, schema: S, body: Buffer): z.output<S> {
  const where = `${key} in ${store.description}`;
  let value: unknown;
  try {
    value = JSON.parse(body.toString('utf8'));
  } catch (error) {
    throw new HoldfastError('CorruptObject', `${where} is not JSON`, { next: damagedNext, cause: error });
  }
  if (isNewer(value)) throw new HoldfastError('UnsupportedFormat', `${where} was written by a newer release`);
  const parsed = schema.safeParse(value);
  if (!parsed.success) {
    throw new HoldfastError('CorruptObject', `${where} is not what it should be`, {
      next: damagedNext,
      cause: parsed.error,
    });
  }
  return parsed.data;
}

/** @throws ObjectNotFound, CorruptObject, UnsupportedFormat */
export async function readDocument<S extends z.ZodType>(
  store: ObjectStore,
  key: string,
  schema: S,
): Promise<z.output<S>> {
  return decode(store, key, schema, (await store.get(key)).body);
}

/** @returns undefined when there is no such document. @throws CorruptObject, UnsupportedFormat */
export async function findDocument<S extends z.ZodType>(
  store: ObjectStore,
  key: string,
  schema: S,
): Promise<z.output<S> | undefined> {
  return (await findStored(store, key, schema))?.value;
}

/** Like {@link findDocument}, with the etag that a change of it must meet. */
export async function findStored<S extends z.ZodType>(
  store: ObjectStore,
  key: string,
  schema: S,
): Promise<{ readonly value: z.output<S>; readonly etag: string } | undefined> {
  try {
    const { body, etag } = await store.get(key);
    return { value: decode(store, key, schema, body), etag };
  } catch (error) {
    if (isHoldfastError(error, 'ObjectNotFound')) return undefined;
    throw error;
  }
}

/** Writes a document unless one is there. @returns whether this call wrote it. */
export async function createDocument(store: ObjectStore, key: string, value: unknown): Promise<boolean> {
  try {
    await store.put(key, encode(value), { ifNoneMatch: '*' });
    return true;
  } catch (error) {
    if (isHoldfastError(error, 'ObjectExists')) return false;
    throw error;
  }
}

/** Writes a document unless one is there, and returns the one that stands: what makes a state re-entrant. */
export async function createOrReadDocument<S extends z.ZodType>(
  store: ObjectStore,
  key: string,
  schema: S,
  value: z.output<S>,
): Promise<z.output<S>> {
  return (await createDocument(store, key, value)) ? value : await readDocument(store, key, schema);
}

export async function writeDocument(
  store: ObjectStore,
  key: string,
  value: unknown,
  condition?: WriteCondition,
): Promise<void> {
  await store.put(key, encode(value), condition);
}

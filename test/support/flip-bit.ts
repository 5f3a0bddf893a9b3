import type { ObjectStore } from '../../src/application/ports/object-store.ts';

/** Damages the entries of a stored slice; its header stays as it is. */
export async function flipBit(store: ObjectStore, key: string): Promise<void> {
  const { body } = await store.get(key);
  const damaged = Buffer.from(body);
  damaged.writeUInt8(damaged.readUInt8(damaged.length - 8) ^ 1, damaged.length - 8);
  await store.put(key, damaged);
}

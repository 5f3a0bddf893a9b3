import { beforeEach, describe, expect, it } from 'vitest';
import { MemoryObjectStore } from '../../../src/adapters/memory/memory-object-store.ts';
import { requireStored } from '../../../src/application/stored-objects.ts';
import type { StoredObject } from '../../../src/domain/backup-index.ts';

/** Counts how many requests are under way at a time. */
class CountingStore extends MemoryObjectStore {
  most = 0;
  #underWay = 0;

  override async head(key: string): ReturnType<MemoryObjectStore['head']> {
    this.most = Math.max(this.most, ++this.#underWay);
    try {
      return await super.head(key);
    } finally {
      this.#underWay--;
    }
  }
}

describe('objects that must be there', () => {
  let store: CountingStore;
  let objects: StoredObject[];

  beforeEach(async () => {
    store = new CountingStore();
    objects = [];
    for (let n = 0; n < 100; n++) {
      const key = `packs/${n}`;
      const { crc32 } = await store.put(key, Buffer.from('x'.repeat(n)));
      objects.push({ key, size: n, crc32 });
    }
  });

  it('are asked for many at a time: a backup has tens of thousands', async () => {
    await requireStored(objects, store);
    expect(store.most).toBe(16);
  });

  it('are named when one is missing', async () => {
    await store.delete(['packs/57']);
    await expect(requireStored(objects, store)).rejects.toMatchObject({
      name: 'ObjectNotFound',
      details: { key: 'packs/57' },
    });
  });

  it('are named when one has another size', async () => {
    await store.put('packs/58', Buffer.from('short'));
    await expect(requireStored(objects, store)).rejects.toMatchObject({
      name: 'CorruptObject',
      message: 'The object packs/58 in memory has 5 bytes instead of 58.',
    });
  });
});

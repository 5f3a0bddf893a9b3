import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ObjectStore } from '../../src/application/ports/object-store.ts';
import { describeDeletion, describeKeys, describeListing } from './object-store-keys.ts';
import { chunks, rejectsWith } from './object-store-probes.ts';
import { describeReading } from './object-store-reading.ts';
import { describeConditions, describeStreams } from './object-store-writing.ts';

/** A storage under test: `store` is empty at first; `corrupt` changes a stored byte behind its back where that can be done. */
export interface StoreUnderTest {
  readonly store: ObjectStore;
  readonly corrupt?: (key: string) => Promise<void>;
  readonly dispose?: () => Promise<void>;
}

/** What every ObjectStore does, whatever it stands on. */
export function describeObjectStoreContract(name: string, make: () => Promise<StoreUnderTest>): void {
  describe(`${name} as an ObjectStore`, () => {
    let subject: StoreUnderTest;
    let store: ObjectStore;
    beforeAll(async () => {
      subject = await make();
      store = subject.store;
    });
    afterAll(() => subject.dispose?.());

    describeReading(() => store);
    describeConditions(() => store);
    describeStreams(() => store);
    describeListing(() => store);
    describeDeletion(() => store);
    describeKeys(() => store);

    it('computes a checksum from what is stored', async ({ skip }) => {
      const body = randomBytes(3 * 1024 * 1024 + 17);
      const written = await store.putStream('sum/one', chunks(body));
      expect(await store.checksum('sum/one')).toBe(written.crc32);
      await rejectsWith(store.checksum('sum/none'), 'ObjectNotFound');
      if (!subject.corrupt) return skip('this storage cannot be damaged from outside');
      await subject.corrupt('sum/one');
      expect(await store.checksum('sum/one')).not.toBe(written.crc32);
    });
  });
}

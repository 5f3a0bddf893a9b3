import { describe, expect, it } from 'vitest';
import { MemoryObjectStore } from '../../../src/adapters/memory/memory-object-store.ts';
import { ArchiveLease } from '../../../src/application/archive-lease.ts';
import type { ObjectStore } from '../../../src/application/ports/object-store.ts';
import { stalled } from '../../support/failing-archive-store.ts';
import { silentLogger } from '../../support/take-backup.ts';

const key = 'leases/orders.archive.rs0.json';
const leaseOf = (state: ObjectStore, run: string) =>
  new ArchiveLease({ state, key, run, owner: 'test', now: () => new Date(0), logger: silentLogger });

describe('the lease of an archive', () => {
  it('that the storage grants only after its turn gave up is given back, and nothing is written by it', async () => {
    const state = new MemoryObjectStore();
    const slow = stalled(state);
    const late = leaseOf(slow.store, 'late');
    const claimed = late.claim().catch((error: unknown) => error);
    await slow.reached;
    await late.release();
    slow.release();
    expect(await claimed).toMatchObject({ name: 'LeaseLost' });
    expect(JSON.parse((await state.get(key)).body.toString())).toMatchObject({ run: 'late', released: true });
    expect(await leaseOf(state, 'next').claim()).toBe(2);
  });

  it('is not claimed again once it was given back', async () => {
    const lease = leaseOf(new MemoryObjectStore(), 'one');
    expect(await lease.claim()).toBe(1);
    await lease.release();
    await expect(lease.claim()).rejects.toMatchObject({ name: 'LeaseLost' });
  });
});

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type ReplicaSetServers, startReplicaSet } from '../../../local/servers/replica-set.ts';
import { MemoryObjectStore } from '../../../src/adapters/memory/memory-object-store.ts';
import { captureUntilReached, dumpHidden, readBase, stallingStore } from '../../support/dump-harness.ts';

describe('rule 9, a change of the feature compatibility version', () => {
  let set: ReplicaSetServers;
  const everywhere = { writeConcern: { w: 2 } };
  beforeAll(async () => {
    set = await startReplicaSet({ members: [{}, { hidden: true, votes: 0 }] });
    await set.client().db('shop').collection('items').insertOne({ x: 1 }, everywhere);
  });
  afterAll(() => set.stop());

  test('inside the window fails the base; the next attempt, with what was captured before, is whole', async () => {
    const memory = new MemoryObjectStore();
    const { store, stalled, release } = stallingStore(memory);
    const failing = dumpHidden(set, store).catch((error: unknown) => error);
    await stalled;
    const admin = set.client().db('admin');
    for (const version of ['5.0', '6.0'])
      await admin.command({ setFeatureCompatibilityVersion: version, ...everywhere });
    release();
    expect(await failing).toMatchObject({ name: 'FeatureCompatibilityVersionChanged', retryable: true });

    const again = await dumpHidden(set, memory, { attempt: 2 });
    await captureUntilReached(set, memory, again);
    const { documents } = await readBase(memory, again);
    expect(documents.get('shop.items')).toHaveLength(1);
  });
});

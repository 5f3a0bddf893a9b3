import { hash } from 'node:crypto';
import { MongoClient } from 'mongodb';
import { expect, test } from 'vitest';
import { MemoryObjectStore } from '../../../src/adapters/memory/memory-object-store.ts';
import { artifactKeys } from '../../../src/domain/names.ts';
import { captureTo } from '../../../src/engine/oplog/capture-to.ts';
import { encodeSliceHeader } from '../../../src/engine/oplog/slice-format.ts';
import { compressZstdFrame } from '../../../src/engine/packs/zstd-frames.ts';
import { partPrefix } from '../../support/dump-harness.ts';
import { at, rawEntry } from '../../support/oplog-entries.ts';

test('rule 7: a transaction that stays prepared for ten minutes after the restore time ends the capture and is named', async () => {
  const store = new MemoryObjectStore();
  const oplogPrefix = artifactKeys.oplog(partPrefix);
  const entry = rawEntry(1, { op: 'n', ns: '', o: {} });
  const to = { ts: { t: 100 + 601, i: 1 }, t: 1 };
  const header = await encodeSliceHeader({
    ...{ schemaVersion: 1, from: at(1), to, entries: 1, rawBytes: entry.length, sha256: hash('sha256', entry) },
    ...{ member: 'a:1', serverVersion: '6.0.5', run: 'run', fence: 1 },
    prepared: [{ transaction: 'the-session:4', opTime: at(3) }],
  });
  await store.put(
    artifactKeys.slice(oplogPrefix, at(1).ts),
    Buffer.concat([header, await compressZstdFrame(entry, 1)]),
  );
  const input = { oplogPrefix, from: at(1), applyFrom: at(1), point: at(2), restoreTime: at(5).ts };
  const client = new MongoClient('mongodb://127.0.0.1:9/');
  const deps = { client, store, signal: new AbortController().signal, checkFence: () => Promise.resolve() };
  await expect(
    captureTo({ ...input, member: 'a:1', replicaSet: 'rs0', runId: 'run', fence: 1 }, deps),
  ).rejects.toMatchObject({
    name: 'RestoreTimeNotReached',
    message: expect.stringContaining('the-session:4') as string,
    next: expect.stringContaining('coordinator') as string,
  });
});

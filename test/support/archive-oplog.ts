import type { Random } from '../../local/demo/random.ts';
import type { ReplicaSetServers } from '../../local/servers/replica-set.ts';
import type { ObjectStore } from '../../src/application/ports/object-store.ts';
import { artifactKeys } from '../../src/domain/names.ts';
import { compareTimestamps, type OpTime } from '../../src/domain/timestamp.ts';
import { readOplogEntry } from '../../src/engine/oplog/oplog-entry.ts';
import { readOplog } from '../../src/engine/oplog/oplog-source.ts';
import { SliceBuilder } from '../../src/engine/oplog/slice-builder.ts';

/** The last entry of the set's oplog. */
export async function lastEntry(set: ReplicaSetServers): Promise<OpTime> {
  const oplog = set.client().db('local').collection('oplog.rs');
  const [last] = await oplog.find({}, { raw: true }).sort({ $natural: -1 }).limit(1).toArray();
  return readOplogEntry(Buffer.from(last as unknown as Uint8Array)).opTime;
}

/** Archives the set's oplog from one entry to another, in slices that end anywhere. */
export async function archiveOplog(
  set: ReplicaSetServers,
  store: ObjectStore,
  archivePrefix: string,
  { from, to, random }: { readonly from: OpTime; readonly to: OpTime; readonly random: Random },
): Promise<number> {
  const primary = await set.primary();
  const source = { client: set.clientFor(primary), member: primary.host, signal: new AbortController().signal };
  const origin = { member: primary.host, serverVersion: '6.0.5', run: 'archive', fence: 1 };
  let builder = new SliceBuilder(origin, []);
  let slices = 0;
  const close = async () => {
    const made = await builder.finish();
    if (!made) return;
    await store.put(artifactKeys.slice(archivePrefix, made.header.from.ts), made.body, { ifNoneMatch: '*' });
    slices += 1;
    builder = builder.next(made.body);
  };
  let left = 2 + random.below(200);
  for await (const entry of readOplog(source, from, to.ts)) {
    // The driver's buffers are used again.
    await builder.append(readOplogEntry(Buffer.from(entry.raw)));
    left -= 1;
    if (left > 0 && compareTimestamps(entry.opTime.ts, to.ts) < 0) continue;
    await close();
    left = 1 + random.below(200);
  }
  return slices;
}

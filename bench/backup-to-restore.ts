import type { MongoClient } from 'mongodb';
import { DirectoryObjectStore } from '../src/adapters/directory/directory-object-store.ts';
import { SystemClock } from '../src/adapters/process/system-clock.ts';
import type { Manifest } from '../src/domain/manifest.ts';
import type { OpTime } from '../src/domain/timestamp.ts';
import { dumpPart } from '../src/engine/dump/dump-part.ts';
import { captureTo } from '../src/engine/oplog/capture-to.ts';
import { readChain } from '../src/engine/oplog/read-chain.ts';
import { readMemberState } from '../src/engine/source/member-state.ts';
import { replicaSet } from './source-server.ts';
import { type Hashes, readHashes } from './target-server.ts';

const silent = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };
const checkFence = () => Promise.resolve();
const common = { runId: 'r', fence: 1, replicaSet };

/** What one of the measured restores needs, as JSON. */
export interface BenchBackup {
  readonly folder: string;
  /** Restore time: after the changes. */
  readonly manifest: Manifest;
  /** Restore time: where the base stands, with hardly any oplog. */
  readonly manifestAtPoint: Manifest;
  readonly point: OpTime;
  /** Of the source, where the base stands and at the restore time. */
  readonly hashes: { readonly atPoint: Hashes; readonly atEnd: Hashes };
}

/** Ids that the data set does not use. */
const first = 100_000_000;

/** CRUD on the small documents: one oplog entry each, a third of each kind. */
export async function changeSmallDocuments(client: MongoClient, entries: number): Promise<void> {
  const small = client.db('bench').collection<{ _id: number }>('small');
  for (let n = 0; n < entries / 3; n += 1000) {
    const ids = Array.from({ length: 1000 }, (_, k) => first + n + k);
    await small.insertMany(ids.map((_id) => ({ _id, customer: _id % 50_000, status: 'paid', note: 'n'.repeat(90) })));
    await small.bulkWrite(
      ids.map((_id) => ({ updateOne: { filter: { _id }, update: { $set: { status: 'sent' } } } })),
      { ordered: false },
    );
    const gone = ids.map((_id) => ({ deleteOne: { filter: { _id: _id - first } } }));
    await small.bulkWrite(gone, { ordered: false });
    await small.insertMany(ids.map((_id) => ({ _id: _id - first, note: 'again' })));
  }
}

const topology = {
  ...{ name: replicaSet, role: 'replicaSet' as const, replicaSet, replicaSetId: null, term: null, configVersion: null },
  ...{ majorityVoteCount: null, writeMajorityCount: null, majorityOpTime: null, members: [] },
};

/** What an earlier run's changes left. */
export async function undoChanges(client: MongoClient): Promise<void> {
  const small = client.db('bench').collection<{ _id: number }>('small');
  await small.deleteMany({ _id: { $gte: first } });
}

/** Dumps the source into a folder, then lets it change, and captures the oplog of that too. */
export async function makeBackup(
  client: MongoClient,
  host: string,
  folder: string,
  change: () => Promise<unknown>,
): Promise<BenchBackup> {
  const store = new DirectoryObjectStore({ root: folder });
  const signal = new AbortController().signal;
  const [backupId, deployment, part] = ['b', 'bench', replicaSet];
  const partPrefix = `${deployment}/backups/${backupId}/${part}/`;
  const { base, point } = await dumpPart(
    {
      ...{ ...common, backupId, deployment, part, partPrefix, attempt: 1, codec: 'zstd', level: 1, parallel: 2 },
      ...{ member: host, replicaSetId: '', toolVersion: '' },
    },
    { client, store, clock: new SystemClock(), logger: silent, signal, onProgress: () => undefined, checkFence },
  );
  const capture = async () => {
    const { majority } = await readMemberState({ client, member: host, signal }, replicaSet);
    await captureTo(
      {
        ...{ ...common, oplogPrefix: `${partPrefix}oplog/`, from: base.captureFrom, applyFrom: base.applyFrom },
        ...{ point, restoreTime: majority.ts, member: host },
      },
      { client, store, signal, checkFence },
    );
    const slices = await readChain(store, `${partPrefix}oplog/`, base.captureFrom);
    return { restoreTime: majority.ts, oplog: { from: base.captureFrom, to: slices.at(-1)?.to ?? point, slices } };
  };
  // A source that stands still would be captured as one entry, which nothing can follow.
  await client.db('admin').command({ appendOplogNote: 1, data: { bench: 'the base is read' } });
  const captured = await capture();
  const atPoint = await readHashes(client);
  await change();
  const capturedAtEnd = await capture();
  const atEnd = await readHashes(client);
  const { version } = (await client.db('admin').command({ buildInfo: 1 })) as { version: string };
  const memberFacts = { member: host, memberReason: '', memberVerdicts: [] };
  const manifestOf = ({ restoreTime, oplog }: typeof captured): Manifest => ({
    ...{ schemaVersion: 1, backupId, deployment, kind: 'replicaSet', method: 'logical', methodReason: '' },
    ...{ storage: 'bench', run: 'r', fence: 1, requestedBy: '', labels: {}, createdAt: base.startedAt },
    ...{ finishedAt: base.finishedAt, restoreTime, restoreTimeWall: null, serverVersion: version },
    ...{ featureCompatibilityVersion: version.split('.').slice(0, 2).join('.'), toolVersion: '', usersAndRoles: false },
    warnings: [],
    totals: { namespaces: 0, documents: 0, rawBytes: base.rawBytes, storedBytes: 0, oplogEntries: 0, seconds: 0 },
    parts: [{ name: part, topology, ...memberFacts, base, point, oplog }],
    sha256: '0'.repeat(64),
  });
  const [manifest, manifestAtPoint] = [manifestOf(capturedAtEnd), manifestOf(captured)];
  return { folder, manifest, manifestAtPoint, point, hashes: { atPoint, atEnd } };
}

import { type Document, type MongoClient, ObjectId, Timestamp } from 'mongodb';
import { beforeEach, describe, expect, it } from 'vitest';
import { readDocument, writeDocument } from '../../../src/application/documents.ts';
import type { TakenSnapshot, VolumeSnapshots } from '../../../src/application/ports/volume-snapshots.ts';
import { snapshotMember } from '../../../src/application/use-cases/snapshot-member.ts';
import { HoldfastError } from '../../../src/domain/errors.ts';
import { stateKeys } from '../../../src/domain/names.ts';
import { type MemberSnapshot, memberSnapshotSchema, type SnapshotStart } from '../../../src/domain/run-documents.ts';
import { opTimeSchema } from '../../../src/domain/timestamp.ts';
import { begin } from '../../support/backup-steps.ts';
import { type BackupWorld, makeWorld, opTime, step, worldTopology } from '../../support/backup-world.ts';

/** Tries of one state that meet: on AWS a function lives on after nobody waits for it any more. */

const first = 'a'.repeat(24);
const key = stateKeys.snapshot('run-1', 'rs0');
const at = '2026-11-22T10:00:00.000Z';
const start: SnapshotStart = {
  ...{ schemaVersion: 1, identity: null, process: first, at },
  ...{ captureFrom: opTime(90), applyFrom: opTime(90) },
};
const taken = (id: string): TakenSnapshot => ({
  ...{ type: 'ebs', filesystem: 'xfs', dataPath: '', takenAt: at },
  snapshots: [{ id, volume: 'vol-1', bytes: 1 }],
});
const recorded = (id: string): MemberSnapshot => ({
  ...{ schemaVersion: 1, member: 'h:1', start, taken: taken(id), consistency: 'crash', lockSeconds: null },
  completed: null,
});

let world: BackupWorld;
/** Which start of the server it is. */
let process: string;
/** What there is of this run and part. */
let there: Set<string>;
let adopted: TakenSnapshot | undefined;
let whileTaken: () => Promise<void>;
let warned: string[];
let volumes: VolumeSnapshots;

beforeEach(async () => {
  world = makeWorld();
  [process, there, adopted, warned] = [first, new Set(), undefined, []];
  whileTaken = () => Promise.resolve();
  volumes = {
    ...world.deps.volumes,
    create: async () => {
      const made = taken(`snap-${there.size + 1}`);
      for (const { id } of made.snapshots) there.add(id);
      await whileTaken();
      return made;
    },
    adopt: async () => {
      if (adopted !== undefined) await whileTaken();
      return adopted;
    },
    delete: () => {
      there.clear();
      return Promise.resolve();
    },
    discard: (ids) => {
      for (const id of ids) there.delete(id);
      return Promise.resolve();
    },
  };
  const { plan } = await begin(world, 'run-1');
  const volume = {
    ...{ type: 'ebs', volumes: ['vol-1'], instance: 'i-1', filesystem: 'xfs', dataPath: '', atOnce: true },
    reason: 'named',
  };
  const parts = plan.parts.map((part) => ({ ...part, method: 'snapshot', volume }));
  await writeDocument(world.state, stateKeys.plan('run-1'), { ...plan, parts });
  const alone = worldTopology.parts.map((part) => ({ ...part, role: 'standalone', replicaSet: null }));
  await writeDocument(world.state, stateKeys.topology('run-1'), { ...worldTopology, parts: alone });
});

const command = (): Promise<Document> =>
  Promise.resolve({
    topologyVersion: { processId: new ObjectId(process) },
    lastWrite: { opTime: { ts: new Timestamp({ t: 100, i: 1 }), t: 3 } },
  });
const client = { db: () => ({ command }), close: () => Promise.resolve() } as unknown as MongoClient;

const snapshot = () =>
  snapshotMember(
    { ...step('run-1', 'Snapshot Member'), part: 'rs0' },
    {
      ...{ ...world.deps, volumes, openMember: () => Promise.resolve(client) },
      logger: { ...world.deps.logger, warn: (message) => void warned.push(message) },
    },
  );
const restart = () => Promise.resolve(void (process = 'b'.repeat(24)));
const changed = { name: 'MemberStateChanged' };

describe('a try to snapshot a member that fails', () => {
  it('deletes what it took', async () => {
    whileTaken = restart;
    await expect(snapshot()).rejects.toMatchObject(changed);
    expect([...there]).toEqual([]);
  });

  it('deletes nothing of another try that goes on', async () => {
    whileTaken = async () => {
      there.add('snap-of-another');
      await restart();
    };
    await expect(snapshot()).rejects.toMatchObject(changed);
    expect([...there]).toEqual(['snap-of-another']);
  });

  it('deletes nothing when it never heard what it took: the next try finds that', async () => {
    whileTaken = () => Promise.reject(new HoldfastError('SnapshotFailed', 'the answer was lost'));
    await expect(snapshot()).rejects.toMatchObject({ name: 'SnapshotFailed' });
    expect([...there]).toEqual(['snap-1']);
  });

  it('deletes nothing once another has written down what the run goes on with, be it the same snapshot', async () => {
    whileTaken = async () => {
      await writeDocument(world.state, key, recorded('snap-1'));
      await restart();
    };
    await expect(snapshot()).rejects.toMatchObject(changed);
    expect([...there]).toEqual(['snap-1']);
  });

  it('tells why, also when what it took cannot be deleted', async () => {
    whileTaken = restart;
    volumes.discard = () => Promise.reject(new HoldfastError('PermissionDenied', 'no'));
    await expect(snapshot()).rejects.toMatchObject(changed);
    expect(warned).toEqual(['what a snapshot left could not be deleted now']);
  });

  it('deletes all of its owner where single ones cannot be deleted', async () => {
    delete (volumes as Partial<VolumeSnapshots>).discard;
    whileTaken = restart;
    await expect(snapshot()).rejects.toMatchObject(changed);
    expect([...there]).toEqual([]);
  });

  it.each([
    ['leaves what it adopted to the next', new HoldfastError('SourceUnreachable', 'away'), 'SourceUnreachable', 1],
    ['deletes what it adopted when the member has changed since', undefined, 'MemberStateChanged', 0],
  ])('%s', async (_, error, name, left) => {
    await writeDocument(world.state, stateKeys.snapshotStart('run-1', 'rs0'), start);
    adopted = taken('snap-1');
    there.add('snap-1');
    let asked = 0;
    whileTaken = async () => {
      if (error === undefined) await restart();
      client.db = () => {
        asked += 1;
        if (error !== undefined) throw error;
        return { command } as unknown as ReturnType<MongoClient['db']>;
      };
    };
    await expect(snapshot()).rejects.toMatchObject({ name });
    client.db = () => ({ command }) as unknown as ReturnType<MongoClient['db']>;
    expect({ asked, left: there.size }).toEqual({ asked: 1, left });
  });
});

it('a try that comes late changes neither the snapshot nor the point that the run goes on with', async () => {
  await writeDocument(world.state, stateKeys.snapshotStart('run-1', 'rs0'), start);
  adopted = taken('snap-1');
  whileTaken = async () => {
    await writeDocument(world.state, stateKeys.point('run-1', 'rs0'), opTime(120));
    await writeDocument(world.state, key, recorded('snap-2'));
  };
  expect(await snapshot()).toEqual({ taken: true });
  expect(await readDocument(world.state, key, memberSnapshotSchema)).toEqual(recorded('snap-2'));
  expect(await readDocument(world.state, stateKeys.point('run-1', 'rs0'), opTimeSchema)).toEqual(opTime(120));
});

it('what was taken is written down with its point', async () => {
  await writeDocument(world.state, stateKeys.snapshotStart('run-1', 'rs0'), start);
  adopted = taken('snap-1');
  expect(await snapshot()).toEqual({ taken: true });
  expect(await readDocument(world.state, key, memberSnapshotSchema)).toEqual(recorded('snap-1'));
  expect(await readDocument(world.state, stateKeys.point('run-1', 'rs0'), opTimeSchema)).toEqual(opTime(100));
});

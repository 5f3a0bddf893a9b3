import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openEmbedded } from '../../local/embedded.ts';
import type { MongodProcess } from '../../local/servers/mongod-process.ts';
import { until } from '../../local/servers/poll.ts';
import { makeOwnDirectory, removeOwnDirectory } from '../../local/servers/reaper.ts';
import { type MemberOptions, type ReplicaSetServers, startReplicaSet } from '../../local/servers/replica-set.ts';
import { DataDirectorySnapshots } from '../../src/adapters/directory/data-directory-snapshots.ts';
import type { VolumeSnapshots } from '../../src/application/ports/volume-snapshots.ts';
import type { Manifest } from '../../src/domain/manifest.ts';
import type { RunStatus } from '../../src/application/ports/holdfast-client.ts';
import { type Settings, settingsSchema } from '../../src/domain/settings.ts';
import { settingsFor, storageFiles } from '../support/embedded-set.ts';
import { noLogger } from '../support/no-logger.ts';
import { isLocked, leftovers } from '../support/physical-set.ts';

/**
 * Which members are locked, on real sets, and what a set does meanwhile. The rule (design: "Member choice") is that
 * election majority and write majority both survive without the locked member and without one more.
 */

let directory: string;
let count = 0;
beforeAll(async () => {
  directory = await makeOwnDirectory('locked-members');
});
afterAll(() => removeOwnDirectory(directory));

async function withSet(members: readonly MemberOptions[], work: (set: ReplicaSetServers) => Promise<void>) {
  const set = await startReplicaSet({ members, electionTimeoutMillis: 2000 });
  try {
    await set.client().db('shop').collection('orders').insertOne({ n: 0 });
    await work(set);
  } finally {
    await set.stop();
  }
}

function settingsTo(set: ReplicaSetServers, member: MongodProcess): Settings {
  count += 1;
  const settings = settingsFor(set, join(directory, String(count)));
  const one = settings.deployments['orders'];
  const orders = {
    ...one,
    lock: true,
    volumes: { [member.host]: member.dbPath },
    member: { host: member.host, maxLagSeconds: 60 },
  };
  return settingsSchema.parse({ ...settings, deployments: { orders } });
}

interface Asked {
  readonly method?: 'physical' | 'logical';
  /** While the member is locked. */
  readonly whileLocked?: () => Promise<void>;
  /** After the plan, before the lock. */
  readonly beforeLock?: () => Promise<void>;
}

/** A backup of this member, through the machine. */
async function backUp(set: ReplicaSetServers, member: MongodProcess, asked: Asked) {
  const settings = settingsTo(set, member);
  const copies = new DataDirectorySnapshots(join(settings.stateDir, 'snapshots'));
  const volumes: VolumeSnapshots = {
    find: (deployment, host) => copies.find(deployment, host),
    openedBy: async (volume) => {
      await asked.beforeLock?.();
      return copies.openedBy(volume);
    },
    create: async (...request) => {
      expect(await isLocked(set.clientFor(member))).toBe(true);
      await asked.whileLocked?.();
      return copies.create(...request);
    },
    adopt: (request) => copies.adopt(request),
    look: (owner) => copies.look(owner),
    delete: (owner) => copies.delete(owner),
  };
  const client = await openEmbedded({ settings, logger: noLogger, volumes });
  try {
    const { runId } = await client.startBackup(asked.method ? { method: asked.method } : {});
    const run: RunStatus = await client.waitForRun(runId);
    const [newest] = await client.listBackups({});
    const manifest: Manifest | undefined = newest && (await client.describeBackup(newest.backupId));
    expect(await isLocked(set.clientFor(member)), 'after the run').toBe(false);
    expect(await leftovers(settings)).toEqual([]);
    if (manifest === undefined) expect(await storageFiles(settings)).toEqual([]);
    return { run, manifest };
  } finally {
    await client.close();
  }
}

/** Acknowledged by the majority within ten seconds. @throws when it is not */
const majorityWrite = (set: ReplicaSetServers, wtimeoutMS = 10_000) =>
  set
    .client()
    .db('shop')
    .collection('orders')
    .insertOne({ at: new Date() }, { writeConcern: { w: 'majority', wtimeoutMS } });

/** Whom each secondary copies the oplog from. */
async function syncSources(set: ReplicaSetServers): Promise<ReadonlyMap<string, string>> {
  const { members } = await set
    .clientFor(await set.primary())
    .db('admin')
    .command({ replSetGetStatus: 1 });
  const seen = members as { name: string; state: number; syncSourceHost: string }[];
  return new Map(seen.filter(({ state }) => state === 2).map(({ name, syncSourceHost }) => [name, syncSourceHost]));
}

/** Every secondary copies from the primary. */
async function unchain(set: ReplicaSetServers): Promise<void> {
  const admin = set.client().db('admin');
  const { config } = await admin.command({ replSetGetConfig: 1 });
  const { version, settings, ...rest } = config as { version: number; settings: object };
  const changed = { ...rest, version: version + 1, settings: { ...settings, chainingAllowed: false } };
  await admin.command({ replSetReconfig: changed });
  const primary = await set.primary();
  for (const member of set.members)
    if (member !== primary) await set.clientFor(member).db('admin').command({ replSetSyncFrom: primary.host });
  await until('everyone copies from the primary', async () => {
    const sources = [...(await syncSources(set)).values()];
    return sources.length === set.members.length - 1 && sources.every((source) => source === primary.host)
      ? true
      : undefined;
  });
}

const at = ({ members }: ReplicaSetServers, index: number): MongodProcess => {
  const found = members[index];
  if (found === undefined) throw new Error(`there is no member ${index}`);
  return found;
};

/** Asked for files it is refused, and says what to change; not asked for anything it takes the collections, and says why. */
async function expectRefused(set: ReplicaSetServers, member: MongodProcess, why: RegExp): Promise<void> {
  const { run } = await backUp(set, member, { method: 'physical' });
  expect(run).toMatchObject({
    status: 'failed',
    error: {
      name: 'LockRefused',
      message: expect.stringMatching(why) as string,
      next: expect.stringContaining('votes to 0') as string,
    },
  });
  const { manifest } = await backUp(set, member, {});
  expect(manifest).toMatchObject({ method: 'logical', methodReason: expect.stringMatching(why) as string });
}

test('three voters: none is locked, for with it and one more away the set stands still', async () => {
  await withSet([{}, {}, {}], async (set) => {
    const [locked, frozen] = [at(set, 1), at(set, 2)];
    await expectRefused(set, locked, /has a vote, and the set needs 2 votes for a primary, of 1 besides it/);

    // Why: the heartbeats of a locked member look healthy, but it does not acknowledge.
    const admin = set.clientFor(locked).db('admin');
    await admin.command({ fsync: 1, lock: true });
    frozen.signal('SIGSTOP');
    try {
      await expect(majorityWrite(set, 2000)).rejects.toThrow(/waiting for replication timed out/);
    } finally {
      frozen.signal('SIGCONT');
      await admin.command({ fsyncUnlock: 1 });
    }
    await majorityWrite(set);
  });
});

test('a hidden member is locked without a vote, not with one; majority writes go on while it is', async () => {
  await withSet([{}, {}, { hidden: true, votes: 1 }], async (set) => {
    await expectRefused(set, set.hidden, /has a vote/);

    const { config } = await set.client().db('admin').command({ replSetGetConfig: 1 });
    const changed = config as { version: number; members: { votes: number }[] };
    changed.version += 1;
    const hidden = changed.members[2];
    if (hidden === undefined) throw new Error('there is no third member');
    hidden.votes = 0;
    await set.client().db('admin').command({ replSetReconfig: changed });
    await set.healthy();

    let written = 0;
    const whileLocked = async () => {
      for (; written < 20; written += 1) await majorityWrite(set, 2000);
    };
    const { run, manifest } = await backUp(set, set.hidden, { method: 'physical', whileLocked });
    expect({ status: run.status, written }).toEqual({ status: 'succeeded', written: 20 });
    expect(manifest?.parts[0]).toMatchObject({
      member: set.hidden.host,
      base: { snapshot: { consistency: 'locked' } },
    });
  });
});

test('one of five voters is locked: with one more away the set writes and elects; with one away already it is not', async () => {
  await withSet([{}, {}, {}, {}, {}], async (set) => {
    const [voter, other] = [at(set, 3), at(set, 4)];
    // Whoever copied the oplog from the locked member would not acknowledge: then it is not locked.
    await set.clientFor(other).db('admin').command({ replSetSyncFrom: voter.host });
    await until('one copies from another', async () => {
      const sources = await syncSources(set);
      return sources.get(other.host) === voter.host ? true : undefined;
    });
    const chained = await backUp(set, voter, { method: 'physical' });
    expect(chained.run).toMatchObject({
      status: 'failed',
      error: {
        name: 'LockRefused',
        message: expect.stringContaining(`${other.host} copied the oplog from it`) as string,
      },
    });
    await unchain(set);

    const whileLocked = async () => {
      other.signal('SIGSTOP');
      try {
        await majorityWrite(set);
      } finally {
        other.signal('SIGCONT');
      }
      const primary = await set.primary();
      await primary.kill();
      // Elected by the three others, two of which acknowledge with it.
      await until('another member is primary', async () => ((await set.primary()) === primary ? undefined : true));
      await majorityWrite(set);
      await primary.restart();
    };
    const { run, manifest } = await backUp(set, voter, { method: 'physical', whileLocked });
    expect(run).toMatchObject({ status: 'succeeded', error: null });
    expect(manifest?.parts[0]).toMatchObject({ member: voter.host, base: { snapshot: { consistency: 'locked' } } });
    await set.healthy();

    // The set is asked again before the lock: the plan was made when all five were there.
    const beforeLock = async () => {
      await other.kill();
      await until('the set sees that a member is away', async () => {
        const { members } = await set.clientFor(voter).db('admin').command({ replSetGetStatus: 1 });
        const seen = (members as { name: string; health: number }[]).find(({ name }) => name === other.host);
        return seen?.health === 0 ? true : undefined;
      });
    };
    const refused = await backUp(set, voter, { method: 'physical', beforeLock });
    expect(refused.run).toMatchObject({
      status: 'failed',
      error: { name: 'LockRefused', message: expect.stringContaining('needs 3 votes') as string },
    });
    await other.restart();
  });
});

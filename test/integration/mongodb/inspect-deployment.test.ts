import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { until } from '../../../local/servers/poll.ts';
import { type ReplicaSetServers, startReplicaSet } from '../../../local/servers/replica-set.ts';
import { MongoDeploymentInspector } from '../../../src/adapters/mongodb/inspect-deployment.ts';
import { HoldfastError } from '../../../src/domain/errors.ts';
import { chooseMember } from '../../../src/domain/member-choice.ts';
import { chooseMethod } from '../../../src/domain/method-choice.ts';
import { memberPreferencesSchema } from '../../../src/domain/settings.ts';
import { type Member, type Topology, topologySchema } from '../../../src/domain/topology.ts';
import { createUserWithRole, type TestUser } from '../../support/backup-user.ts';
import { deploymentSettings } from '../../support/deployment-settings.ts';

let set: ReplicaSetServers;
let user: TestUser;

const inspect = (uri = set.uri, text: string | undefined = user.text): Promise<Topology> =>
  new MongoDeploymentInspector({ environment: { USER: text } }).inspect(
    deploymentSettings({ uri, ...(text !== '' && { credentials: { env: 'USER' } }) }),
  );

async function errorOf(inspection: Promise<unknown>): Promise<HoldfastError> {
  const error = await inspection.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (error instanceof HoldfastError) return error;
  throw new Error(`expected an error of the product, got ${String(error)}`);
}

function memberOf(topology: Topology, index: number): Member {
  const member = topology.parts[0]?.members[index];
  if (member === undefined) throw new Error(`no member ${index}`);
  return member;
}

/** For what does not answer: the default of 5 seconds proves no more. */
const impatient = 'serverSelectionTimeoutMS=1000';
const host = (index: number) => set.members[index]?.host ?? '';
const preferences = memberPreferencesSchema.parse({});
const choose = (topology: Topology) => {
  const [part] = topology.parts;
  if (part === undefined) throw new Error('no part');
  return chooseMember(part, preferences);
};

beforeAll(async () => {
  set = await startReplicaSet({
    auth: true,
    members: [
      { tags: { zone: 'a' } },
      {},
      { hidden: true, votes: 0 },
      { arbiter: true },
      { hidden: true, votes: 0, delaySeconds: 3600 },
    ],
  });
  // On the three members that apply at once: the delayed one learns of the user in an hour.
  user = await createUserWithRole(set.client(), 'backup', undefined, 3);
});

afterAll(() => set.stop());

describe('inspection of a replica set, with the backup role and nothing else', () => {
  it('describes the set and each of its members', async () => {
    const topology = topologySchema.parse(await inspect());
    expect(topology).toMatchObject({ kind: 'replicaSet', serverVersion: '6.0.5', featureCompatibilityVersion: '6.0' });
    expect(topology.clusterTime?.t).toBeGreaterThan(1_700_000_000);
    expect(topology.parts).toHaveLength(1);
    expect(topology.parts[0]).toMatchObject({
      name: 'rs0',
      role: 'replicaSet',
      replicaSet: 'rs0',
      configVersion: 1,
      majorityVoteCount: 2,
      writeMajorityCount: 2,
    });
    expect(topology.parts[0]?.replicaSetId).toMatch(/^[0-9a-f]{24}$/);
    expect(topology.parts[0]?.majorityOpTime?.ts.t).toBeGreaterThan(1_700_000_000);
    expect(topology.parts[0]?.members.map((member) => member.host)).toEqual(set.members.map((member) => member.host));
    expect(memberOf(topology, 0)).toMatchObject({ state: 'PRIMARY', votes: 1, lagSeconds: 0, tags: { zone: 'a' } });
    expect(memberOf(topology, 1)).toMatchObject({ state: 'SECONDARY', healthy: true, hidden: false });
    expect(memberOf(topology, 2)).toMatchObject({ state: 'SECONDARY', hidden: true, priority: 0, votes: 0 });
    expect(memberOf(topology, 3)).toMatchObject({ state: 'ARBITER', arbiter: true, optime: null });
    expect(memberOf(topology, 4)).toMatchObject({ hidden: true, delaySeconds: 3600 });
  });

  it('knows the oplog of each member that it may read', async () => {
    const topology = await inspect();
    for (const index of [0, 1, 2]) {
      const { oplogWindowSeconds, oplogUsedFraction } = memberOf(topology, index);
      expect(oplogWindowSeconds).toBeGreaterThanOrEqual(0);
      expect(oplogUsedFraction).toBeGreaterThan(0);
      expect(oplogUsedFraction).toBeLessThan(0.1);
    }
    expect(memberOf(topology, 3).oplogWindowSeconds).toBeNull();
  });

  it('leads to the hidden member, and to logical', async () => {
    const topology = await inspect();
    const choice = choose(topology);
    expect(choice.member.host).toBe(host(2));
    expect(choice.warnings).toEqual([]);
    expect(choice.verdicts.map(({ eligible }) => eligible)).toEqual([false, true, true, false, false]);
    expect(choice.verdicts[4]?.reason).toBe('it is delayed by 3600 s');
    expect(chooseMethod(topology).method).toBe('logical');
  });

  it('finds every member through any one of them, also through the hidden one', async () => {
    const topology = await inspect(`mongodb://${host(2)}/?replicaSet=rs0`);
    expect(topology.parts[0]?.members.map(({ state }) => state).slice(0, 4)).toEqual([
      'PRIMARY',
      'SECONDARY',
      'SECONDARY',
      'ARBITER',
    ]);
  });

  it('goes on without a seed that does not answer', async () => {
    const topology = await inspect(`mongodb://127.0.0.1:1,${host(1)}/?replicaSet=rs0&${impatient}`);
    expect(memberOf(topology, 0).state).toBe('PRIMARY');
  });

  it('sees a member in maintenance as RECOVERING, and reads another', async () => {
    const hidden = set.clientFor(set.hidden).db('admin');
    await hidden.command({ replSetMaintenance: true });
    try {
      const topology = await inspect();
      expect(memberOf(topology, 2)).toMatchObject({ state: 'RECOVERING', hidden: true });
      const choice = choose(topology);
      expect(choice.member.host).toBe(host(1));
      expect(choice.verdicts[2]?.reason).toBe('its state is RECOVERING');
      expect(choice.warnings.join()).toContain('No hidden member was chosen');
    } finally {
      await hidden.command({ replSetMaintenance: false });
    }
  });

  it('records why a member that is down cannot be read', async () => {
    const secondary = set.members[1];
    await secondary?.kill();
    try {
      const topology = await until('the set has noticed', async () => {
        const seen = await inspect(`${set.uri}&${impatient}`);
        return memberOf(seen, 1).healthy ? undefined : seen;
      });
      expect(memberOf(topology, 1)).toMatchObject({ state: 'UNREACHABLE', healthy: false });
      expect(memberOf(topology, 1).unreachable).toContain('ECONNREFUSED');
      expect(choose(topology).member.host).toBe(host(2));
    } finally {
      await secondary?.restart();
      await set.healthy();
    }
  });
});

describe('what an inspection refuses', () => {
  it('a wrong password, without repeating it', async () => {
    const error = await errorOf(inspect(set.uri, 'backup:wrong-secret'));
    expect(error.name).toBe('AuthenticationFailed');
    expect(error.message).toContain(`${host(0)} refused the credentials`);
    expect(error.message).not.toContain('wrong-secret');
    expect(JSON.stringify(error.details)).not.toContain('wrong-secret');
  });

  it('a deployment that demands a login, without credentials in the config', async () => {
    const error = await errorOf(inspect(set.uri, ''));
    expect(error.name).toBe('AuthenticationFailed');
    expect(error.message).toContain('the config names no credentials');
  });

  it('hosts where nothing listens or that do not exist, each named with its reason', async () => {
    const error = await errorOf(inspect(`mongodb://127.0.0.1:1,nowhere.invalid:2/?${impatient}`));
    expect(error.name).toBe('SourceUnreachable');
    expect(error.message).toMatch(/127\.0\.0\.1:1 cannot be reached: .*ECONNREFUSED/);
    expect(error.message).toMatch(/nowhere\.invalid:2 cannot be reached/);
    expect(error.next).toContain('Nothing listens there');
  });

  it('a set of another name than the URI says', async () => {
    const error = await errorOf(inspect(set.uri.replace('replicaSet=rs0', 'replicaSet=other')));
    expect(error.name).toBe('InvalidConfig');
    expect(error.message).toContain('replicaSet=other is asked for');
    expect(error.message).toContain(`${host(0)} is of rs0`);
  });

  it('an environment variable that is not set', async () => {
    const inspector = new MongoDeploymentInspector({ environment: {} });
    const settings = deploymentSettings({ uri: set.uri, credentials: { env: 'NOT_SET' } });
    expect((await errorOf(inspector.inspect(settings))).name).toBe('CredentialsUnavailable');
  });

  it('to go on when the run is aborted', async () => {
    const settings = deploymentSettings({ uri: set.uri });
    const reason = new HoldfastError('Cancelled', 'stop');
    const inspection = new MongoDeploymentInspector().inspect(settings, AbortSignal.abort(reason));
    expect(await errorOf(inspection)).toBe(reason);
  });

  it('a shard of a cluster, whose backup alone would not be consistent', async () => {
    const versions = set.client().db('admin').collection<{ _id: string }>('system.version');
    await versions.insertOne({ _id: 'shardIdentity', shardName: 'sh0' } as { _id: string });
    try {
      const topology = await inspect();
      expect(topology.kind).toBe('sharded');
      expect(() => chooseMethod(topology)).toThrow(/Sharded clusters are not in this release/);
    } finally {
      await versions.deleteOne({ _id: 'shardIdentity' });
    }
  });
});

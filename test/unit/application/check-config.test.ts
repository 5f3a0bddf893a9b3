import { describe, expect, it } from 'vitest';
import { MemoryObjectStore } from '../../../src/adapters/memory/memory-object-store.ts';
import type { DeploymentInspector } from '../../../src/application/ports/deployment-inspector.ts';
import type { ObjectStore } from '../../../src/application/ports/object-store.ts';
import { checkConfig } from '../../../src/application/use-cases/check-config.ts';
import { HoldfastError } from '../../../src/domain/errors.ts';
import type { Settings } from '../../../src/domain/settings.ts';
import type { Member, Topology } from '../../../src/domain/topology.ts';

const settings: Settings = {
  schemaVersion: 1,
  stage: 'test',
  stateDir: '/state',
  storages: { laptop: { name: 'laptop', type: 'directory', path: '/backups' } },
  deployments: {
    orders: {
      name: 'orders',
      uri: 'mongodb://h:1/',
      storage: 'laptop',
      member: { prefer: 'hidden', allowSecondary: true, allowPrimary: false, maxLagSeconds: 20 },
      compression: { codec: 'zstd', level: 1 },
      limits: { parallel: 4 },
    },
  },
};
const member: Member = {
  host: 'h:1',
  state: 'SECONDARY',
  healthy: true,
  hidden: true,
  arbiter: false,
  buildIndexes: true,
  priority: 0,
  votes: 0,
  delaySeconds: 0,
  tags: {},
  optime: null,
  lagSeconds: 2,
  oplogWindowSeconds: 100,
  unreachable: null,
};
const topology = (...members: Member[]): Topology => ({
  schemaVersion: 1,
  kind: 'replicaSet',
  serverVersion: '6.0.5',
  featureCompatibilityVersion: '6.0',
  clusterTime: null,
  parts: [
    {
      name: 'rs0',
      role: 'replicaSet',
      replicaSet: 'rs0',
      replicaSetId: null,
      term: 1,
      configVersion: 1,
      majorityVoteCount: 2,
      writeMajorityCount: 2,
      majorityOpTime: null,
      members,
    },
  ],
});
const answering = (answer: Topology): DeploymentInspector => ({ inspect: () => Promise.resolve(answer) });
const failing = (error: Error): DeploymentInspector => ({ inspect: () => Promise.reject(error) });

async function keysOf(store: ObjectStore): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of store.list('')) keys.push(key);
  return keys;
}

function check(inspector: DeploymentInspector, storage: ObjectStore = new MemoryObjectStore()) {
  const state = new MemoryObjectStore();
  return checkConfig(settings, { inspector, openStorage: () => storage, state });
}

describe('checkConfig', () => {
  it('reports what a backup would do', async () => {
    const report = await check(
      answering(topology({ ...member, host: 'p:1', hidden: false, state: 'PRIMARY' }, member)),
    );
    expect(report.ok).toBe(true);
    expect(report.storages.map(({ name, problem }) => [name, problem])).toEqual([
      ['stateDir', null],
      ['laptop', null],
    ]);
    expect(report.deployments).toMatchObject([
      {
        name: 'orders',
        kind: 'replicaSet',
        serverVersion: '6.0.5',
        method: { method: 'logical' },
        parts: [{ name: 'rs0', member: 'h:1', memberReason: 'a hidden member, 2 s behind the primary' }],
        problems: [],
        commands: null,
      },
    ]);
  });

  it('leaves nothing in a storage', async () => {
    const storage = new MemoryObjectStore();
    await check(answering(topology(member)), storage);
    expect(await keysOf(storage)).toEqual([]);
  });

  it('names a storage that cannot be written, and removes nothing that it did not write', async () => {
    const storage = new MemoryObjectStore();
    storage.put = () => Promise.reject(new HoldfastError('StorageAccessDenied', '/backups is read-only'));
    const report = await check(answering(topology(member)), storage);
    expect(report.ok).toBe(false);
    expect(report.storages[1]?.problem).toMatchObject({
      name: 'StorageAccessDenied',
      message: '/backups is read-only',
    });
  });

  it('removes its object from a storage that returns other bytes', async () => {
    const storage = new MemoryObjectStore();
    const get = storage.get.bind(storage);
    storage.get = async (key) => ({ ...(await get(key)), body: Buffer.from('other') });
    const report = await check(answering(topology(member)), storage);
    expect(report.storages[1]?.problem?.name).toBe('VerificationFailed');
    expect(await keysOf(storage)).toEqual([]);
  });

  it('lists missing privileges and prints the commands that grant them', async () => {
    const missing = ['find on local.oplog.rs', 'replSetGetStatus on the cluster'];
    const report = await check(failing(new HoldfastError('MissingPrivileges', 'm', { details: { missing } })));
    expect(report.ok).toBe(false);
    expect(report.deployments[0]).toMatchObject({
      missingPrivileges: missing,
      problems: [{ name: 'MissingPrivileges' }],
    });
    expect(report.deployments[0]?.commands).toContain('db.createRole({');
  });

  it('reports a member choice that fails, with every reason', async () => {
    const report = await check(answering(topology({ ...member, delaySeconds: 60 })));
    expect(report.deployments[0]?.problems).toMatchObject([{ name: 'NoEligibleMember' }]);
    expect(report.deployments[0]?.problems[0]?.message).toContain('h:1: it is delayed by 60 s');
    expect(report.ok).toBe(false);
  });

  it('reports a topology that has no method in this release', async () => {
    const report = await check(answering({ ...topology(member), kind: 'sharded' }));
    expect(report.deployments[0]).toMatchObject({ kind: 'sharded', method: null, parts: [] });
    expect(report.deployments[0]?.problems[0]?.name).toBe('UnsupportedTopology');
  });

  it('checks every deployment, also when one fails', async () => {
    const orders = settings.deployments['orders'];
    if (orders === undefined) throw new Error('no orders');
    const two = { ...settings, deployments: { orders, users: { ...orders, name: 'users' } } };
    const inspector: DeploymentInspector = {
      inspect: ({ name }) =>
        name === 'orders'
          ? Promise.reject(new HoldfastError('SourceUnreachable', 'x'))
          : Promise.resolve(topology(member)),
    };
    const deps = { inspector, openStorage: () => new MemoryObjectStore(), state: new MemoryObjectStore() };
    const report = await checkConfig(two, deps);
    expect(report.deployments.map(({ problems }) => problems.length)).toEqual([1, 0]);
  });
});

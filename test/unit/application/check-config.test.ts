import type { MongoClient } from 'mongodb';
import { describe, expect, it } from 'vitest';
import { MemoryObjectStore } from '../../../src/adapters/memory/memory-object-store.ts';
import type { DeploymentInspector } from '../../../src/application/ports/deployment-inspector.ts';
import type { ObjectStore } from '../../../src/application/ports/object-store.ts';
import { checkConfig, type CheckConfigDeps } from '../../../src/application/use-cases/check-config.ts';
import { HoldfastError } from '../../../src/domain/errors.ts';
import type { PlannedVolume } from '../../../src/domain/run.ts';
import type { DeploymentSettings, Settings } from '../../../src/domain/settings.ts';
import type { Member, Topology } from '../../../src/domain/topology.ts';
import { makeWorld } from '../../support/backup-world.ts';

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

function check(
  inspector: DeploymentInspector,
  storage: ObjectStore = new MemoryObjectStore(),
  deps: Partial<CheckConfigDeps> = {},
  of: Partial<DeploymentSettings> = {},
) {
  const state = new MemoryObjectStore();
  const [orders] = Object.values(settings.deployments);
  if (orders === undefined) throw new Error('no orders');
  const changed = { ...settings, deployments: { orders: { ...orders, ...of } } };
  return checkConfig(changed, { ...makeWorld().deps, inspector, openStorage: () => storage, state, ...deps });
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
    const stores = { openStorage: () => new MemoryObjectStore(), state: new MemoryObjectStore() };
    const deps = { ...makeWorld().deps, ...stores, inspector };
    const report = await checkConfig(two, deps);
    expect(report.deployments.map(({ problems }) => problems.length)).toEqual([1, 0]);
  });
});

describe('checkConfig, where volumes are named', () => {
  const volume: PlannedVolume = {
    ...{ type: 'directory', volumes: ['/data'], instance: null, filesystem: null, dataPath: '', atOnce: false },
    reason: 'the data directory /data',
  };
  const set = answering(topology({ ...member, host: 'p:1', hidden: false, state: 'PRIMARY' }, member));
  /** A member whose process is 7, and who has the data open. */
  const opened = (by: number | undefined): Partial<CheckConfigDeps> => ({
    volumes: { find: () => Promise.resolve(volume), openedBy: () => Promise.resolve(by) },
    openMember: () =>
      Promise.resolve({
        db: () => ({ command: () => Promise.resolve({ ok: 1, pid: 7 }) }),
        close: () => Promise.resolve(),
      } as unknown as MongoClient),
  });
  const checked = async (by: number | undefined, of: Partial<DeploymentSettings>) => {
    const { ok, deployments } = await check(set, undefined, opened(by), of);
    return { ok, ...deployments[0] };
  };

  it('says by which method each part would be taken, what would be copied, and whether under a lock', async () => {
    expect(await checked(7, { lock: true })).toMatchObject({
      ...{ ok: true, problems: [] },
      method: { method: 'physical', reason: expect.stringContaining('/data') as string },
      parts: [{ member: 'h:1', volume: 'the data directory /data', lock: true }],
    });
  });

  it('says why it would be by collections although a volume is named', async () => {
    expect(await checked(7, { lock: false })).toMatchObject({
      ...{ ok: true, problems: [] },
      method: { method: 'logical', reason: expect.stringContaining('lock: false') as string },
      parts: [{ volume: null, lock: false }],
    });
  });

  it.each([0, 8])('refuses a directory that another process has open, or none: %i', async (by) => {
    expect(await checked(by, { lock: true })).toMatchObject({
      ok: false,
      problems: [{ name: 'VolumeNotFound', message: expect.stringContaining('is not the data of h:1') as string }],
    });
  });

  it('opens no member where collections are read', async () => {
    expect(await checked(8, { lock: true, method: 'logical' })).toMatchObject({ ok: true, parts: [{ volume: null }] });
  });

  it('finds now what a schedule would find at night', async () => {
    const schedules = { nightly: { cron: '0 3 * * ? *', timezone: 'UTC', method: 'physical' as const } };
    expect(await checked(7, { lock: false, method: 'logical', schedules })).toMatchObject({
      ...{ ok: false, method: { method: 'logical' } },
      problems: [{ name: 'VolumeLayoutUnsupported' }],
    });
  });
});

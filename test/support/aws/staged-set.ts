import { join } from 'node:path';
import { makeOwnDirectory, removeOwnDirectory } from '../../../local/servers/reaper.ts';
import { type ReplicaSetServers, startReplicaSet } from '../../../local/servers/replica-set.ts';
import { type StandaloneServer, startStandalone } from '../../../local/servers/standalone.ts';
import { restoreRole } from '../../../src/domain/privileges.ts';
import type { Settings } from '../../../src/domain/settings.ts';
import { createUserWithRole } from '../backup-user.ts';
import { AwsStage } from './aws-stage.ts';
import { backupSecret, restoreSecret, synthesise } from './synthesise.ts';

/** A stage with what its deployment `orders` really is: a replica set with 500 orders, and a server to restore to. */
export interface StagedSet {
  readonly stage: AwsStage;
  readonly set: ReplicaSetServers;
  readonly target: StandaloneServer;
  /** The password of `backup` as the stage's secret has it. */
  readonly password: string;
  stop(): Promise<void>;
}

export interface StagedSetOptions {
  readonly settings?: Settings;
  /** Where other deployments of the settings are. @param set the URI of `orders` */
  readonly uris?: (set: string) => Readonly<Record<string, string>>;
  /** Of mongod. */
  readonly args?: readonly string[];
}

/** Starts everything, with users that have the documented roles and nothing else. */
export async function startStagedSet({
  settings,
  uris = () => ({}),
  args = [],
}: StagedSetOptions = {}): Promise<StagedSet> {
  const directory = await makeOwnDirectory('aws-stage');
  const [set, target] = await Promise.all([
    startReplicaSet({ auth: true, members: [{}, { hidden: true, votes: 0 }], args }),
    startStandalone({ auth: true }),
  ]);
  const backup = await createUserWithRole(set.client(), 'backup', undefined, 2);
  const restore = await createUserWithRole(target.client(), 'restore', restoreRole(), 1);
  const uri = `${set.uri}${set.uri.includes('?') ? '&' : '/?'}serverSelectionTimeoutMS=30000`;
  const stage = await AwsStage.start({
    template: synthesise(join(directory, 'cdk.out'), settings),
    uris: { orders: uri, ...uris(uri) },
    secrets: {
      [backupSecret]: JSON.stringify({ username: 'backup', password: backup.password }),
      [restoreSecret]: restore.text,
    },
  });
  await addOrders(set, 0, 500);
  return {
    ...{ stage, set, target, password: backup.password },
    async stop() {
      await stage.stop();
      await Promise.all([set.stop(), target.stop()]);
      await removeOwnDirectory(directory);
    },
  };
}

/** Inserts `count` orders from `first` on; each is on both members. */
export async function addOrders(set: ReplicaSetServers, first: number, count: number): Promise<void> {
  const documents = Array.from({ length: count }, (_, index) => ({ _id: first + index, text: 'x'.repeat(500) }));
  const orders = set.client().db('shop').collection<{ _id: number }>('orders');
  await orders.insertMany(documents, { writeConcern: { w: 2 } });
}

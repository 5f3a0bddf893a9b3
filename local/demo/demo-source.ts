import type { MongoClient } from 'mongodb';
import { join } from 'node:path';
import { backupRole } from '../../src/domain/privileges.ts';
import { copyWitness, type Witness } from '../servers/frozen-source.ts';
import { findMongod } from '../servers/find-mongod.ts';
import { type ReplicaSetServers, startReplicaSet } from '../servers/replica-set.ts';
import { createUserInFile } from './database-user.ts';
import { type Screen, timed } from './screen.ts';
import { seedShop } from './seed-shop.ts';
import { type ShopWriter, startShopWriter } from './shop-writer.ts';
import { formatCount } from './units.ts';

export interface DemoSource {
  readonly set: ReplicaSetServers;
  readonly writer: ShopWriter;
  readonly witness: Witness;
  /** `user:password` of the backup user. */
  readonly credentialsFile: string;
}

async function describeSeed(client: MongoClient, documents: number): Promise<string> {
  const collections = await client.db('shop').listCollections({}, { nameOnly: true }).toArray();
  const named = collections.filter(({ name }) => !name.startsWith('system.'));
  return `${formatCount(documents)} documents of many kinds in ${named.length} collections`;
}

/** The deployment to protect, with an application that keeps writing to it. `things` ends all of it. */
export async function startSource(
  screen: Screen,
  directory: string,
  things: AsyncDisposableStack,
): Promise<DemoSource> {
  screen.chapter('A replica set under load');
  const mongod = await findMongod();
  const members = 'three ordinary members and a hidden one without a vote, authentication on';
  const set = await timed(
    screen,
    'Replica set',
    () => startReplicaSet({ auth: true, oplogSizeMb: 512, electionTimeoutMillis: 10_000 }),
    ({ name }) => `${name}, mongod ${mongod.version}: ${members}`,
  );
  things.defer(() => set.stop());
  const credentialsFile = join(directory, 'backup-user');
  await timed(
    screen,
    'Backup user',
    () => createUserInFile(set.client(), backupRole(), 'holdfast-backup', credentialsFile),
    () => 'may read, and nothing else',
  );
  await timed(
    screen,
    'Data',
    async () => describeSeed(set.client(), await seedShop(set.client())),
    (described) => described,
  );
  const writer = startShopWriter(set.client());
  things.defer(() => writer.stop().catch(() => undefined));
  screen.done(
    'Application',
    'inserts, updates, deletes, transactions, an index that comes and goes; from now to the end',
  );
  const witness = await timed(
    screen,
    'Witness',
    async () => copyWitness(set, await pickWitness(set)),
    ({ member }) => `files of the ordinary member ${member.host} copied, for the proof at the end`,
  );
  return { set, writer, witness, credentialsFile };
}

/** An ordinary secondary: it has no part in the backup, and the primary must not stand still. */
async function pickWitness(set: ReplicaSetServers) {
  const primary = await set.primary();
  const ordinary = set.members.filter((member) => member !== primary && member !== set.hidden);
  return ordinary.at(-1) ?? set.hidden;
}

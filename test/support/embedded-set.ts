import { randomBytes } from 'node:crypto';
import { readFile, readdir } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { until } from '../../local/servers/poll.ts';
import { makeOwnDirectory, removeOwnDirectory } from '../../local/servers/reaper.ts';
import { type ReplicaSetServers, startReplicaSet } from '../../local/servers/replica-set.ts';
import { parseJournal } from '../../local/states-language/journal.ts';

import { stateKeys } from '../../src/domain/names.ts';
import { leaseSchema } from '../../src/domain/run.ts';
import { type WorkerTask, workerProcessSchema } from '../../src/domain/run-documents.ts';
import { type Settings, settingsSchema } from '../../src/domain/settings.ts';
import { createUserWithRole } from './backup-user.ts';

const credentialsVariable = 'HOLDFAST_TEST_BACKUP_USER';

/** A real replica set with a hidden member, authentication and the backup role, and the product's directories beside it. */
export interface EmbeddedSet {
  readonly set: ReplicaSetServers;
  /**
   * A state directory and a storage of its own for each test.
   * @param pace `slow` reads 4 MiB/s: what is killed or cancelled in the middle of a dump must still be in it
   */
  newSettings(pace?: 'slow'): Promise<Settings>;
  stop(): Promise<void>;
}

export async function startEmbeddedSet(): Promise<EmbeddedSet> {
  const directory = await makeOwnDirectory('embedded');
  const set = await startReplicaSet({ auth: true, members: [{}, { hidden: true, votes: 0 }] });
  const user = await createUserWithRole(set.client(), 'backup', undefined, 2);
  process.env[credentialsVariable] = user.text;
  let count = 0;
  return {
    set,
    newSettings: (pace) => {
      count += 1;
      const settings = settingsFor(set, join(directory, String(count)), { env: credentialsVariable });
      return Promise.resolve(pace === 'slow' ? withBandwidth(settings, 4 * 2 ** 20) : settings);
    },
    stop: async () => {
      await set.stop();
      await removeOwnDirectory(directory);
    },
  };
}

/** The same deployment in the same places, read as fast as it can be. */
export const quick = (settings: Settings): Settings => withBandwidth(settings, undefined);

/** @param bandwidth bytes per second that are read from the member */
export function withBandwidth(settings: Settings, bandwidth: number | undefined): Settings {
  const { orders } = settings.deployments;
  if (!orders) throw new Error('the settings of an embedded set have the deployment orders');
  return { ...settings, deployments: { orders: { ...orders, limits: { ...orders.limits, bandwidth } } } };
}

/** @param credentials without: a set without authentication */
export function settingsFor(
  set: ReplicaSetServers,
  root: string,
  credentials?: { readonly env: string },
  level = 1,
): Settings {
  return settingsSchema.parse({
    schemaVersion: 1,
    stage: 'test',
    stateDir: join(root, 'state'),
    storages: { local: { name: 'local', type: 'directory', path: join(root, 'storage') } },
    deployments: {
      orders: {
        name: 'orders',
        // A machine that is busy with other suites may take longer to answer than the default allows.
        uri: `${set.uri}${set.uri.includes('?') ? '&' : '/?'}serverSelectionTimeoutMS=30000`,
        ...(credentials && { credentials }),
        storage: 'local',
        member: { maxLagSeconds: 60 },
        compression: { level },
        limits: { parallel: 1 },
      },
    },
  });
}

/** Enough that a dump takes some seconds: bytes that do not compress. */
export async function seedDocuments(set: ReplicaSetServers, megabytes: number): Promise<void> {
  const collection = set.client().db('shop').collection<{ _id: number; payload: Buffer }>('orders');
  for (let batch = 0; batch < megabytes; batch += 1) {
    const documents = Array.from({ length: 16 }, (_, index) => ({
      _id: batch * 16 + index,
      payload: randomBytes(65_536),
    }));
    await collection.insertMany(documents, { writeConcern: { w: 2 } });
  }
  await collection.createIndex({ payload: 'hashed' });
}

/** Keys of files below a directory, without a storage's own folder. */
export async function filesBelow(root: string): Promise<string[]> {
  const entries = await readdir(root, { recursive: true, withFileTypes: true }).catch(() => []);
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => relative(root, join(entry.parentPath, entry.name)))
    .filter((name) => !name.startsWith('.holdfast-store'))
    .sort();
}

export const storageFiles = (settings: Settings): Promise<string[]> => filesBelow(storagePath(settings));

export function storagePath(settings: Settings): string {
  const storage = settings.storages['local'];
  return storage?.type === 'directory' ? storage.path : '';
}

const stateFile = (settings: Settings, key: string): Promise<string> => readFile(join(settings.stateDir, key), 'utf8');

export async function leaseIsHeld(settings: Settings): Promise<boolean> {
  const text = await stateFile(settings, stateKeys.lease('orders')).catch(() => undefined);
  return text !== undefined && leaseSchema.parse(JSON.parse(text)).released !== true;
}

/** Names of the states that a run has entered, as its journal has them. */
export async function enteredStates(settings: Settings, runId: string): Promise<string[]> {
  const text = await stateFile(settings, stateKeys.journal(runId)).catch(() => '');
  return parseJournal(text)
    .filter(({ type }) => type.endsWith('StateEntered'))
    .map((event) => JSON.stringify(event['stateEnteredEventDetails']?.['name']).slice(1, -1));
}

export async function untilEntered(settings: Settings, runId: string, state: string): Promise<void> {
  await until(`${runId} is in ${state}`, async () =>
    (await enteredStates(settings, runId)).includes(state) ? true : undefined,
  );
}

/** The process id of a run's worker, once it has said so. */
export function workerPid(
  settings: Settings,
  task: Pick<WorkerTask, 'runId' | 'attempt'>,
  command = 'dump',
): Promise<number> {
  const key = stateKeys.worker(task.runId, `${command}-rs0-${task.attempt}`);
  return until(`worker ${task.attempt} of ${task.runId} runs`, async () => {
    return workerProcessSchema.parse(JSON.parse(await stateFile(settings, key))).pid;
  });
}

export async function untilProgress(settings: Settings, runId: string): Promise<void> {
  await until(`${runId} makes progress`, async () => {
    const progress = JSON.parse(await stateFile(settings, stateKeys.progress(runId))) as { rawBytes: number };
    return progress.rawBytes > 0 ? true : undefined;
  });
}

/** Whether the process still does anything: one that ended and was not reaped yet does not. */
export async function isAlive(pid: number): Promise<boolean> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined);
  return stat !== undefined && stat.slice(stat.lastIndexOf(')') + 2, stat.lastIndexOf(')') + 3) !== 'Z';
}

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { seedShop } from '../../local/demo/seed-shop.ts';
import { openEmbedded } from '../../local/embedded.ts';
import { until } from '../../local/servers/poll.ts';
import { makeOwnDirectory, removeOwnDirectory } from '../../local/servers/reaper.ts';
import { type ReplicaSetServers, startReplicaSet } from '../../local/servers/replica-set.ts';
import { type StandaloneServer, startStandalone } from '../../local/servers/standalone.ts';
import type { HoldfastClient } from '../../src/application/ports/holdfast-client.ts';
import type { RestoreRequest } from '../../src/domain/run.ts';
import type { Settings } from '../../src/domain/settings.ts';
import { formatTimestamp } from '../../src/domain/timestamp.ts';
import { lastEntry } from '../support/archive-oplog.ts';
import { type DeploymentState, findDifferences, readDeploymentState } from '../support/deployment-hashes.ts';
import { filesBelow, isAlive, workerPid } from '../support/embedded-set.ts';
import { noLogger } from '../support/no-logger.ts';
import { archivedSettings, archiveToEnd } from '../support/physical-set.ts';

/**
 * A physical backup restored to a running server, by way of files that a mongod of ours recovers and serves on this machine:
 * whoever is killed, in whatever phase, takes that mongod and those files along, and the target is whole or says that it is not.
 */

const sizes = { orders: 20_000, customers: 500, products: 500, measurements: 500, events: 500, accounts: 50 };

let set: ReplicaSetServers;
let target: StandaloneServer;
let root: string;
let settings: Settings;
let expected: DeploymentState;
let at: string;
/** Where workers have their files: nothing else is there. */
let temporary: string;
const ownTemporary = process.env['TMPDIR'];

async function withClient<T>(work: (client: HoldfastClient) => Promise<T>): Promise<T> {
  const client = await openEmbedded({ settings, logger: noLogger });
  try {
    return await work(client);
  } finally {
    await client.close();
  }
}

beforeAll(async () => {
  root = await makeOwnDirectory('restore-killed');
  temporary = join(root, 'tmp');
  await mkdir(temporary);
  [set, target] = await Promise.all([
    startReplicaSet({ members: [{}, { hidden: true, votes: 0 }], oplogSizeMb: 256 }),
    startStandalone(),
  ]);
  await seedShop(set.client(), sizes);
  settings = archivedSettings(set, root, 'physical');
  await withClient(async (client) => {
    const { runId } = await client.startBackup({});
    expect(await client.waitForRun(runId)).toMatchObject({ status: 'succeeded', error: null });
    const more = Array.from({ length: 3000 }, (_, n) => ({ _id: n, text: 'x'.repeat(200) }));
    await set.client().db('shop').collection<{ _id: number }>('later').insertMany(more);
    at = formatTimestamp((await lastEntry(set)).ts);
    expected = await readDeploymentState(set.client());
    await archiveToEnd(client, set);
  });
});
afterAll(async () => {
  await Promise.all([set.stop(), target.stop()]);
  await removeOwnDirectory(root);
});
beforeEach(() => {
  process.env['TMPDIR'] = temporary;
});
afterEach(async () => {
  if (ownTemporary === undefined) delete process.env['TMPDIR'];
  else process.env['TMPDIR'] = ownTemporary;
  for (const db of [...Object.keys(expected.databases), 'holdfast_restore'])
    await target.client().db(db).dropDatabase();
});

const request = (): RestoreRequest => ({ backup: 'orders', to: target.uri, at });

/** Processes that were told of something in the workers' temporary directory. */
async function processesThere(): Promise<number[]> {
  const found: number[] = [];
  for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number)) {
    const command = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
    if (command.includes(`${temporary}/`) && (await isAlive(pid))) found.push(pid);
  }
  return found;
}

async function fileState(): Promise<string> {
  const files = await filesBelow(temporary).catch(() => []);
  const marks = files.filter((file) => file.endsWith('HOLDFAST_INCOMPLETE'));
  const read = await Promise.all(marks.map((file) => readFile(join(temporary, file), 'utf8').catch(() => '')));
  return read.join();
}
const targetState = async (): Promise<string> => {
  const marks = target.client().db('holdfast_restore');
  const names = (await marks.listCollections().toArray()).map(({ name }) => name);
  const found = await Promise.all(names.map((name) => marks.collection(name).findOne()));
  return JSON.stringify(found);
};

/** Each by what shows that it has begun. */
const phases: Readonly<Record<string, () => Promise<boolean>>> = {
  'laying files': async () => (await fileState()).includes('"laying files"'),
  recovering: async () => (await fileState()).includes('"recovering"'),
  'serving the files': async () =>
    (await filesBelow(temporary).catch(() => [])).some((file) => file.includes('/collections/')),
  'writing into the target': async () => (await targetState()).includes('"loading"'),
  'building indexes of the target': async () => /"(?:building indexes|finishing)"/.test(await targetState()),
};
const untilIn = (phase: string) => until(phase, async () => (await phases[phase]?.()) || undefined);

async function expectNothingLeft(): Promise<void> {
  await until('nothing of the worker is left', async () => {
    const left = [...(await processesThere()), ...(await readdir(temporary))];
    return left.length === 0 || undefined;
  });
}

async function isOccupied(): Promise<boolean> {
  const { databases } = await target.client().db('admin').admin().listDatabases({ nameOnly: true });
  return databases.some(({ name }) => name in expected.databases);
}

async function expectWhole(): Promise<void> {
  const { databases } = await readDeploymentState(target.client());
  expect(findDifferences({ databases: expected.databases }, { databases })).toEqual([]);
  expect(await target.client().db('holdfast_restore').listCollections().toArray()).toEqual([]);
}

async function startOrchestrator(): Promise<{ child: ChildProcess; runId: string }> {
  const file = join(root, 'settings.json');
  await writeFile(file, JSON.stringify(settings));
  const script = join(import.meta.dirname, '../support/restore-orchestrator.ts');
  const child = spawn(process.execPath, [script, file, JSON.stringify(request())], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [runId] = (await once(createInterface(child.stdout), 'line')) as [string];
  return { child, runId };
}

describe.each(Object.keys(phases))('while a restore from files to a running server is %s', (phase) => {
  test('a worker that is killed takes its mongod and its files along, and another one begins anew', async () => {
    await withClient(async (client) => {
      const { runId } = await client.startRestore(request());
      const pid = await workerPid(settings, { runId, attempt: 1 }, 'restore');
      await untilIn(phase);
      const before = await readdir(temporary);
      process.kill(pid, 'SIGKILL');
      await until('its files are gone', async () => {
        const now = await readdir(temporary);
        return before.every((name) => !now.includes(name)) || undefined;
      });
      expect(await client.waitForRun(runId)).toMatchObject({ status: 'succeeded', error: null });
    });
    await expectNothingLeft();
    await expectWhole();
  });

  test('everything may be killed: nothing runs on, and the target is not taken for a whole one', async () => {
    const { child, runId } = await startOrchestrator();
    await untilIn(phase);
    const gone = once(child, 'exit');
    child.kill('SIGKILL');
    await gone;
    await expectNothingLeft();
    const occupied = await isOccupied();
    // What is loaded is marked as not whole before it is.
    if (occupied) expect(await targetState()).toContain(runId);
    await withClient(async (client) => {
      expect(await client.status(runId)).toMatchObject([{ status: 'failed', error: { name: 'Interrupted' } }]);
      if (occupied) {
        const again = await client.startRestore(request());
        expect((await client.waitForRun(again.runId)).error).toMatchObject({ name: 'TargetNotEmpty' });
      }
      const over = await client.startRestore({ ...request(), ...(occupied && { overwrite: target.host }) });
      expect(await client.waitForRun(over.runId)).toMatchObject({ status: 'succeeded', error: null });
    });
    await expectNothingLeft();
    await expectWhole();
  });
});

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cp, open, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { seedShop } from '../../local/demo/seed-shop.ts';
import { openEmbedded } from '../../local/embedded.ts';
import { until } from '../../local/servers/poll.ts';
import { makeOwnDirectory, removeOwnDirectory } from '../../local/servers/reaper.ts';
import { type ReplicaSetServers, startReplicaSet } from '../../local/servers/replica-set.ts';
import type { HoldfastClient } from '../../src/application/ports/holdfast-client.ts';
import type { RestoreRequest } from '../../src/domain/run.ts';
import type { Settings } from '../../src/domain/settings.ts';
import { formatTimestamp } from '../../src/domain/timestamp.ts';
import { lastEntry } from '../support/archive-oplog.ts';
import { type DeploymentState, findDifferences, readDeploymentState } from '../support/deployment-hashes.ts';
import { filesBelow, isAlive, workerPid } from '../support/embedded-set.ts';
import { noLogger } from '../support/no-logger.ts';
import { archivedSettings, archiveToEnd } from '../support/physical-set.ts';
import { lookAt } from '../support/recovered-files.ts';

const sizes = { orders: 20_000, customers: 500, products: 500, measurements: 500, events: 500, accounts: 50 };

let set: ReplicaSetServers;
let root: string;
let settings: Settings;
let expected: DeploymentState;
let at: string;
let to: string;
let count = 0;

async function withClient<T>(work: (client: HoldfastClient) => Promise<T>): Promise<T> {
  const client = await openEmbedded({ settings, logger: noLogger });
  try {
    return await work(client);
  } finally {
    await client.close();
  }
}

beforeAll(async () => {
  root = await makeOwnDirectory('restore-faults');
  set = await startReplicaSet({ members: [{}, { hidden: true, votes: 0 }], oplogSizeMb: 256 });
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
  await set.stop();
  await removeOwnDirectory(root);
});
beforeEach(() => {
  count += 1;
  to = join(root, `restored-${count}`);
});

const request = (): RestoreRequest => ({ backup: 'orders', to, at });
const mark = () => readFile(join(to, 'HOLDFAST_INCOMPLETE'), 'utf8').catch(() => '');

/** Processes whose command line names the directory: a mongod on it. */
async function processesOn(directory: string): Promise<number[]> {
  const found: number[] = [];
  for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number)) {
    const command = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
    if (command.split('\0').includes(directory) && (await isAlive(pid))) found.push(pid);
  }
  return found;
}

async function untilMarked(state: string): Promise<void> {
  await until(`the restore is ${state}`, async () => (await mark()).includes(`"${state}"`) || undefined);
}

async function expectWhole(): Promise<void> {
  expect(await mark()).toBe('');
  expect(await processesOn(to)).toEqual([]);
  expect(findDifferences(expected, await lookAt(to, readDeploymentState))).toEqual([]);
}

const phases = ['laying files', 'recovering', 'finishing'];

describe.each(phases)('while a directory is in the phase "%s"', (phase) => {
  test('a worker that is killed takes its mongod along, and another one begins anew', async () => {
    await withClient(async (client) => {
      const { runId } = await client.startRestore(request());
      const pid = await workerPid(settings, { runId, attempt: 1 }, 'restore');
      await untilMarked(phase);
      process.kill(pid, 'SIGKILL');
      expect(await client.waitForRun(runId)).toMatchObject({ status: 'succeeded', error: null });
    });
    await expectWhole();
  });

  test('everything may be killed: the mark stays, nothing runs on, and it is not taken for a whole one', async () => {
    const { child, runId } = await startOrchestrator(request());
    await untilMarked(phase);
    await kill(child);
    await until('no mongod is left', async () => ((await processesOn(to)).length === 0 ? true : undefined));
    await withClient(async (client) => {
      expect(await client.status(runId)).toMatchObject([{ status: 'failed', error: { name: 'Interrupted' } }]);
      expect(await mark()).toContain(runId);
      const again = await client.startRestore(request());
      expect((await client.waitForRun(again.runId)).error).toMatchObject({
        name: 'TargetNotEmpty',
        message: expect.stringContaining(`the restore run ${runId} left, which did not finish`) as string,
      });
      const over = await client.startRestore({ ...request(), overwrite: to });
      expect(await client.waitForRun(over.runId)).toMatchObject({ status: 'succeeded', error: null });
    });
    await expectWhole();
  });
});

async function startOrchestrator(restore: RestoreRequest): Promise<{ child: ChildProcess; runId: string }> {
  const file = join(root, `settings-${count}.json`);
  await writeFile(file, JSON.stringify(settings));
  const script = join(import.meta.dirname, '../support/restore-orchestrator.ts');
  const child = spawn(process.execPath, [script, file, JSON.stringify(restore)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [runId] = (await once(createInterface(child.stdout), 'line')) as [string];
  return { child, runId };
}

async function kill(child: ChildProcess): Promise<void> {
  const gone = once(child, 'exit');
  child.kill('SIGKILL');
  await gone;
}

async function flip(file: string): Promise<void> {
  await using handle = await open(file, 'r+');
  const place = Math.floor((await handle.stat()).size / 2);
  const byte = Buffer.alloc(1);
  await handle.read(byte, 0, 1, place);
  byte[0] = (byte[0] ?? 0) ^ 0xff;
  await handle.write(byte, 0, 1, place);
}

const damages = {
  'a flipped byte in': [flip, 'CorruptObject'],
  'a cut': [(file: string) => truncate(file, 100), 'CorruptObject'],
  'a missing': [(file: string) => rm(file), 'ObjectNotFound'],
} as const;

/** The last one of the archive is what the restore time needs; of the packs any. */
const pieces = {
  pack: { storage: 'storage', of: /\/packs\// },
  index: { storage: 'storage', of: /index/ },
  'slice of the backup': { storage: 'storage', of: /\/oplog\// },
  'slice of the archive': { storage: 'archive', of: /\/oplog\/[^/]+\/\d/ },
} as const;

const cases = (Object.keys(damages) as (keyof typeof damages)[]).flatMap((damage) =>
  (Object.keys(pieces) as (keyof typeof pieces)[]).map((piece) => [damage, piece] as const),
);

describe('nothing is handed over, and the object is named, with', () => {
  test.each(cases)('%s %s', async (damage, piece) => {
    const [inflict, name] = damages[damage];
    const { storage, of } = pieces[piece];
    const place = join(root, storage);
    const key = (await filesBelow(place)).findLast((each) => of.test(each)) ?? '';
    expect(key).not.toBe('');
    const safe = join(root, 'safe');
    await cp(join(place, key), safe, { preserveTimestamps: true });
    await inflict(join(place, key));
    try {
      const { error, status } = await withClient(async (client) => {
        const { runId } = await client.startRestore(request());
        return client.waitForRun(runId);
      });
      expect(status).toBe('failed');
      // Without its last slice the archive does not reach that time.
      const isUnreachable = piece === 'slice of the archive' && damage === 'a missing';
      if (isUnreachable) expect(error).toMatchObject({ name: 'TimeNotRestorable' });
      else expect(error).toMatchObject({ name, message: expect.stringContaining(key) as string });
      const left = await readdir(to).catch(() => []);
      if (left.length > 0) expect(left).toContain('HOLDFAST_INCOMPLETE');
      expect(await processesOn(to)).toEqual([]);
    } finally {
      await cp(safe, join(place, key), { preserveTimestamps: true });
    }
  });
});

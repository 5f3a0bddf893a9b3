import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { makeOwnDirectory, removeOwnDirectory } from '../../local/servers/reaper.ts';
import { type ReplicaSetServers, startReplicaSet } from '../../local/servers/replica-set.ts';
import { type StandaloneServer, startStandalone } from '../../local/servers/standalone.ts';
import { DirectoryObjectStore } from '../../src/adapters/directory/directory-object-store.ts';
import type { DumpPartInput } from '../../src/engine/dump/dump-input.ts';
import type { dumpPart, DumpPartResult } from '../../src/engine/dump/dump-part.ts';
import { findDifferences, readDeploymentState } from '../support/deployment-hashes.ts';
import { restoreBackup } from '../support/restore-backup.ts';
import { onlyPart, takeBackup } from '../support/take-backup.ts';

const script = join(import.meta.dirname, '..', 'support', 'mortal-dump.ts');
/** In each of two collections: 60 MB. */
const many = 6000;
const megabyte = 1024 * 1024;
const maxPackBytes = 8 * megabyte;
/** Frames between reply and storage, the pack that is open, two that are not written down, a batch in each of two scans. */
const bound = 32 * megabyte + 3 * maxPackBytes + 2 * 6 * megabyte;

/** In this order, one after the other, on one and the same base. */
const phases: readonly (readonly [string, NodeJS.Signals])[] = [
  ['start', 'SIGKILL'],
  ['put 1 of checkpoints', 'SIGKILL'],
  ['put 5 of packs, in its middle', 'SIGKILL'],
  ['put 3 of packs, done', 'SIGKILL'],
  ['put 2 of checkpoints', 'SIGKILL'],
  ['put 2 of checkpoints, done', 'SIGTERM'],
  ['put 1 of index', 'SIGKILL'],
  ['put 1 of index, done', 'SIGKILL'],
  ['before the answer', 'SIGKILL'],
];

interface Item {
  readonly _id: number;
  readonly body?: string;
  readonly round?: number;
}

let set: ReplicaSetServers;
let target: StandaloneServer;
let folder: string;
beforeAll(async () => {
  [set, target, folder] = await Promise.all([
    startReplicaSet({ members: [{}, { hidden: true, votes: 0 }], oplogSizeMb: 990 }),
    startStandalone(),
    makeOwnDirectory('killed-in-phases'),
  ]);
  const body = 'x'.repeat(10_000);
  for (const name of ['one', 'two'])
    for (let from = 0; from < many; from += 1000)
      await set
        .client()
        .db('shop')
        .collection<Item>(name)
        .insertMany(
          Array.from({ length: 1000 }, (_, n) => ({ _id: from + n, body })),
          { writeConcern: { w: 2 } },
        );
});
afterAll(async () => {
  await Promise.all([set.stop(), target.stop()]);
  await removeOwnDirectory(folder);
});

/** Changes both collections, and one that nobody reads for long, until it is told to stop. */
function startWriter(): () => Promise<void> {
  let stopped = false;
  const write = async (): Promise<void> => {
    for (let round = 0; !stopped; round += 1) {
      const db = set.client().db('shop');
      const _id = (round * 7) % many;
      await db.collection<Item>('one').updateOne({ _id }, { $set: { round } });
      await db.collection<Item>('two').deleteOne({ _id });
      await db.collection<Item>('two').insertOne({ _id, round });
      await db.collection<Item>('hot').insertOne({ _id: round }, { writeConcern: { w: 2 } });
    }
  };
  const writing = write();
  return async () => {
    stopped = true;
    await writing;
  };
}

interface Told {
  readonly rawBytes?: number;
  readonly stands?: string;
  readonly result?: DumpPartResult;
  readonly error?: string;
}

interface ChildReport {
  readonly savedBytes: number;
  readonly rawBytes: number;
  readonly result: DumpPartResult | undefined;
}

async function runChild(
  input: DumpPartInput,
  [phase, signal]: readonly [string, NodeJS.Signals],
): Promise<ChildReport> {
  const child: ChildProcess = spawn(process.execPath, [script, JSON.stringify(input), folder, phase]);
  const [ended, errors] = [once(child, 'exit'), [] as string[]];
  child.stderr?.on('data', (text) => errors.push(String(text)));
  const raw: number[] = [];
  let stood = false;
  let result: DumpPartResult | undefined;
  if (child.stdout)
    for await (const line of createInterface({ input: child.stdout })) {
      const told = JSON.parse(line) as Told;
      if (told.rawBytes !== undefined) raw.push(told.rawBytes);
      if (told.stands !== undefined) stood = child.kill(signal);
      result ??= told.result;
      if (told.error !== undefined && signal !== 'SIGTERM') throw new Error(told.error);
    }
  await ended;
  if (phase !== '' && !stood) throw new Error(`never reached: ${phase} ${errors.join('')}`);
  return { savedBytes: raw[0] ?? 0, rawBytes: raw.at(-1) ?? 0, result };
}

test('a worker that is killed at each phase, while the source is written, ends as an undisturbed one', async () => {
  const stopWriter = startWriter();
  const store = new DirectoryObjectStore({ root: join(folder, 'storage') });
  const redone: string[] = [];
  let documents = 0;
  const dump: typeof dumpPart = async (input) => {
    let before: ChildReport = { savedBytes: 0, rawBytes: 0, result: undefined };
    for (const [index, phase] of [...phases, ['', 'SIGKILL'] as const].entries()) {
      const now = await runChild({ ...input, attempt: index + 1, maxPackBytes, codec: 'none' }, phase);
      const again = before.rawBytes - now.savedBytes;
      redone.push(
        `${phases[index - 1]?.join(' ') ?? 'first'}: ${now.savedBytes} bytes kept, ${again} read again, ${now.rawBytes - now.savedBytes} read now`,
      );
      if (now.rawBytes > 0) {
        expect(again, redone.at(-1)).toBeLessThanOrEqual(bound);
        before = now;
      }
      if (now.result) {
        documents = now.result.base.documents;
        return now.result;
      }
    }
    throw new Error('no attempt completed');
  };
  const manifest = await takeBackup({ set, store, member: set.hidden, dump, afterBase: stopWriter }).finally(
    stopWriter,
  );
  console.log([`${documents} documents; after`, ...redone].join('\n'));

  const attempts = new Set(onlyPart(manifest).base.packs.map(({ key }) => Number(/packs\/(\d{4})-/.exec(key)?.[1])));
  expect(attempts.size, 'packs of several attempts').toBeGreaterThan(2);
  expect(onlyPart(manifest).base.attempt).toBe(phases.length + 1);
  const bases = await readdir(join(folder, 'state', 'checkpoints', 'rs0'));
  expect(bases, 'begun anew only as long as nothing was written down').toHaveLength(1);

  await restoreBackup(target.client(), store, manifest, { overwrite: target.host });
  const [expected, restored] = [await readDeploymentState(set.client()), await readDeploymentState(target.client())];
  expect(findDifferences(expected, restored)).toEqual([]);
});

import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Binary } from 'mongodb';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type ReplicaSetServers, startReplicaSet } from '../../local/servers/replica-set.ts';

const run = promisify(execFile);
const main = join(import.meta.dirname, '..', '..', 'cli', 'main.ts');
const mebibyte = 1024 * 1024;
/** Prints the largest resident set in KiB, at the end. */
const peakOnExit = `data:text/javascript,${encodeURIComponent(`
import { readFileSync } from 'node:fs';
process.on('exit', () => {
  process.stderr.write('peak ' + /VmHWM:\\s+(\\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))[1]);
});`)}`;

let set: ReplicaSetServers;
let folder: string;

beforeAll(async () => {
  set = await startReplicaSet({ members: [{}], oplogSizeMb: 990 });
  // A document of 16 MiB does not fit into the cache that test servers start with.
  await set.client().db('admin').command({ setParameter: 1, wiredTigerEngineRuntimeConfig: 'cache_size=2G' });
  folder = await mkdtemp(join(tmpdir(), 'holdfast-archive-limits-'));
});
afterAll(async () => {
  await set.stop();
  await rm(folder, { recursive: true, force: true });
});

/** `holdfast archive`, as it runs from a checkout, which takes 30 MiB more than the compiled one. */
async function archive(name: string, flags: readonly string[], args: readonly string[]) {
  const config = join(folder, `${name}.yaml`);
  await writeFile(
    config,
    JSON.stringify({
      ...{ stage: 'limits', stateDir: join(folder, name, 'state') },
      storages: { disk: { type: 'directory', path: join(folder, name, 'storage') } },
      deployments: {
        orders: {
          ...{ uri: set.uri, storage: 'disk', member: { allowPrimary: true } },
          oplogArchive: { enabled: true, storage: 'disk', retention: { days: 8 }, newBaseOnGap: false },
        },
      },
    }),
  );
  const command = [...flags, '--import', peakOnExit, main, '--config', config, '--output', 'json', 'archive', 'orders'];
  const { stdout, stderr } = await run(process.execPath, [...command, ...args], { maxBuffer: mebibyte });
  return { output: JSON.parse(stdout) as unknown, peakMiB: Number(/peak (\d+)/.exec(stderr)?.[1]) / 1024 };
}

const items = () => set.client().db('shop').collection<{ _id: string; bytes: Binary | string }>('items');

/** A document of nearly 16 MiB that does not compress is an entry of 16 MiB: the server's limit is a little higher for those. */
const largeEntries = async () => {
  for (let n = 0; n < 16; n += 1)
    await items().insertOne({ _id: `large-${n}`, bytes: new Binary(randomBytes(16 * mebibyte - 100)) });
};

/** Of 32 MiB each: the server makes of each transaction several entries of up to 16 MiB. */
const transactions = async () => {
  for (let n = 0; n < 6; n += 1)
    await set.client().withSession((session) =>
      session.withTransaction(async () => {
        for (let k = 0; k < 8; k += 1)
          await items().insertOne({ _id: `part-${n}-${k}`, bytes: new Binary(randomBytes(4 * mebibyte)) }, { session });
      }),
    );
};

const smallEntries = async () => {
  for (let n = 0; n < 100; n += 1)
    await items().insertMany(
      Array.from({ length: 2000 }, (_, k) => ({ _id: `small-${n}-${k}`, bytes: 'x'.repeat(100) })),
    );
};

/** By the flags that Lambda's runtime starts Node with, for a function of 1024 MB. */
const flagsOfLambda = ['--expose-gc', '--max-semi-space-size=51', '--max-old-space-size=921'];

describe('an archiver that is far behind stays below 256 MiB', () => {
  test.each([
    ['entries of 16 MiB', largeEntries],
    ['transactions of many large entries', transactions],
    ['200,000 small entries', smallEntries],
  ])('%s', async (_what, fill) => {
    const variants = [
      { name: `machine-${fill.name}`, flags: [] },
      { name: `lambda-${fill.name}`, flags: flagsOfLambda },
    ];
    for (const { name, flags } of variants) await archive(name, flags, ['--once']);
    await fill();
    for (const { name, flags } of variants) {
      const { peakMiB, output } = await archive(name, flags, ['--once']);
      console.log(`${name}: peak ${Math.round(peakMiB)} MiB`);
      expect(output).toMatchObject({ sets: [{ turn: { status: 'archived', more: false } }] });
      expect(peakMiB).toBeLessThan(256);
      // The same process looks at them once a day.
      const checked = await archive(name, flags, ['--check']);
      console.log(`${name}, checked: peak ${Math.round(checked.peakMiB)} MiB`);
      expect(checked.output).toMatchObject({ checked: [{ status: 'whole', losses: [] }] });
      expect(checked.peakMiB).toBeLessThan(256);
    }
    await items().drop();
  });
});

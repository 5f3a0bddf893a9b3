import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { findBackup } from '../../../src/application/catalog.ts';
import { chooseRestore } from '../../../src/application/choose-restore.ts';
import { sha256Hex } from '../../../src/application/documents.ts';
import { listArchives } from '../../../src/application/list-archives.ts';
import type { ObjectStore } from '../../../src/application/ports/object-store.ts';
import { IndexKeeper } from '../../../src/application/slice-index.ts';
import { checkArchive } from '../../../src/application/use-cases/check-archive.ts';
import { pruneArchive } from '../../../src/application/use-cases/prune-archive.ts';
import { showRecoveryWindow } from '../../../src/application/use-cases/show-recovery-window.ts';
import { artifactKeys } from '../../../src/domain/names.ts';
import { archivePrefix, entryAt, makeArchivedWorld, opTimeAt } from '../../support/archived-world.ts';
import { archiveOfMinutes, countedStore, headerOfMinute } from '../../support/many-slices.ts';
import { flipBit } from '../../support/flip-bit.ts';

const day = 86_400;
const start = 1_795_000_000;
const events = { publish: () => Promise.resolve() };
type World = ReturnType<typeof makeArchivedWorld>;
const check = (world: World) =>
  checkArchive({ deployment: 'orders', seconds: 60, now: true }, { ...world.deps, events });
async function indexKeys(store: ObjectStore): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of store.list('orders/oplog/index/')) keys.push(key);
  return keys;
}

/** As the check does that has looked at all of them. */
async function indexMinutes(store: ObjectStore, { deps }: World): Promise<void> {
  const [archive] = await listArchives('orders', store);
  if (!archive) throw new TypeError('no archive');
  const keeper = new IndexKeeper(store, archive, archive.slices, deps.logger);
  for (const listed of archive.slices) {
    await keeper.find(listed);
    keeper.note(listed, headerOfMinute(listed.from.t));
  }
  await keeper.write();
}

describe('the window of an archive of a slice a minute', () => {
  async function ask(minutes: number) {
    const world = makeArchivedWorld();
    await world.addBackup(1, 1, 4, world.near, start);
    const minute = archiveOfMinutes(world.far, start, minutes);
    const counted = countedStore(minute);
    const near = countedStore(world.near);
    const deps = {
      ...world.deps,
      openStorage: ({ name }: { name: string }) => (name === 'far' ? counted.store : near.store),
    };
    const window = async () => {
      const before = counted.requests() + near.requests();
      const report = await showRecoveryWindow({ deployment: 'orders', at: `${start + 700}:1` }, deps);
      return { report: JSON.stringify(report), requests: counted.requests() + near.requests() - before };
    };
    return { world, minute, window };
  }

  test('is the same with an index and without, and takes no request for each slice', async () => {
    const { world, minute, window } = await ask(1200);
    const without = await window();
    expect(without.requests).toBeGreaterThan(1200);
    await indexMinutes(minute, world);
    const { report, requests } = await window();
    expect(report).toBe(without.report);
    expect(JSON.parse(report)).toMatchObject({ replicaSets: [{ slices: 1200, latest: { t: start + 1200 * 60 } }] });
    expect(requests).toBeLessThan(15);
  });

  test('of two weeks, 20,160 slices, takes fewer than 60 requests', async () => {
    const { world, minute, window } = await ask(20_160);
    await indexMinutes(minute, world);
    const { report, requests } = await window();
    expect(JSON.parse(report)).toMatchObject({ replicaSets: [{ slices: 20_160 }] });
    expect(requests).toBeLessThan(60);
  });
});

describe('a backup beside such an archive', () => {
  test('is found by its id in two requests', async () => {
    const world = makeArchivedWorld();
    const backupId = await world.addBackup(1, 1, 4, world.far, start);
    const counted = countedStore(archiveOfMinutes(world.far, start, 20_160));
    const { manifest } = await findBackup(backupId, 'far', { ...world.deps, openStorage: () => counted.store });
    expect(manifest.backupId).toBe(backupId);
    expect(counted.requests()).toBe(2);
  });
});

const plan = fc.record({
  slices: fc.array(
    fc.record({
      /** Seconds that it lasts. */
      lasts: fc.integer({ min: 1, max: day }),
      what: fc.constantFrom('kept', 'kept', 'kept', 'lost', 'flipped', 'destroyed'),
      /** What happens to it after it was indexed. */
      later: fc.constantFrom('same', 'same', 'same', 'written again', 'cut off', 'lost'),
    }),
    { minLength: 2, maxLength: 8 },
  ),
  indexes: fc.constantFrom(
    'whole',
    'missing',
    'cut off',
    'flipped',
    'of another archive',
    'of fewer',
    'newer',
    'stale',
    'in no order',
    'of other lines',
  ),
  checked: fc.boolean(),
  more: fc.nat(2),
});

describe('an index of slices, in whatever state it is', () => {
  test('changes neither the window nor what is pruned', async () => {
    await fc.assert(
      fc.asyncProperty(plan, async ({ slices, indexes, checked, more }) => {
        const world = makeArchivedWorld();
        const { far, deps } = world;
        await world.addBackup(1, 2, 4, world.near, 1000);
        await world.addBackup(2, 2, 4, world.near, 1000 + day);
        let at = { t: 1000, i: 3 };
        const archive = async ({ lasts }: { lasts: number }) => {
          const end = { t: at.t + lasts, i: 1 };
          const key = await world.archive([entryAt(at.t, at.i), entryAt(end.t, end.i)]);
          at = end;
          return key;
        };
        const keys: string[] = [];
        for (const slice of slices) keys.push(await archive(slice));
        for (const [n, { what }] of slices.entries()) await damage(far, keys[n] ?? '', what);
        await check(world);
        if (checked) await check(world);
        for (const [n, { later }] of slices.entries()) await damage(far, keys[n] ?? '', later);
        for (const key of await indexKeys(far)) await spoil(far, key, indexes);
        for (let n = 0; n < more; n += 1) await archive({ lasts: 500 });
        await world.note({
          last: { key: keys.at(-1) ?? '', from: opTimeAt(1, 1), to: opTimeAt(at.t, at.i) },
          checkedTo: opTimeAt(at.t + 40, 1),
        });
        await world.clock.advance((at.t + day + 700) * 1000);
        const look = async () => ({
          window: await showRecoveryWindow({ deployment: 'orders', at: 'latest' }, deps),
          pruned: await pruneArchive({ dryRun: true }, deps).catch((error: unknown) => String(error)),
        });
        const withIndex = await look();
        await far.delete(await indexKeys(far));
        expect(withIndex).toEqual(await look());
      }),
      { numRuns: 25 },
    );
  });
});

async function damage(far: ObjectStore, key: string, how: string): Promise<void> {
  if (!(await far.head(key))) return;
  const { body } = await far.get(key);
  if (how === 'lost') await far.delete([key]);
  if (how === 'flipped') await flipBit(far, key);
  if (how === 'destroyed') await far.put(key, Buffer.from('nothing'));
  if (how === 'written again') await far.put(key, body);
  if (how === 'cut off') await far.put(key, body.subarray(0, body.length - 1));
}

/** As whoever writes an index that nobody could use. */
function sealed(lines: readonly string[]): string {
  const rows = lines.join('\n').trimStart();
  return `${JSON.stringify({ schemaVersion: 1, sha256: sha256Hex(rows) })}\n${rows}`;
}

async function spoil(far: ObjectStore, key: string, how: string): Promise<void> {
  const text = (await far.get(key)).body.toString();
  const lines = text.split('\n');
  const spoiled: Readonly<Record<string, string | undefined>> = {
    'cut off': text.slice(0, -20),
    flipped: text.replace(/\d(?=,"m-)/, '7').replace(/[1-6](?=[^\n]*\n$)/, '7'),
    'of another archive': text.replaceAll('m-', 'x-'),
    'of fewer': [lines[0], ...lines.slice(2)].join('\n'),
    newer: text.replace('"schemaVersion":1', '"schemaVersion":2'),
    stale: text,
    'in no order': sealed([...lines.slice(1)].reverse()),
    'of other lines': sealed([lines[1]?.replace(']]', ']') ?? '', ...lines.slice(2)]),
  };
  if (how === 'missing') await far.delete([key]);
  else await far.put(key, Buffer.from(spoiled[how] ?? text));
}

describe('the index that the check writes', () => {
  const put = async (world: World, body: (old: Buffer) => Buffer) => {
    const key = artifactKeys.slice(archivePrefix, { t: 2000, i: 1 });
    await world.far.put(key, body((await world.far.get(key)).body));
  };
  async function made() {
    const world = makeArchivedWorld();
    await world.addBackup(1, 2, 4, world.near, 1000);
    await world.archive([entryAt(1000, 4), entryAt(2000, 1)]);
    await world.archive([entryAt(2000, 1), entryAt(90_000, 1)]);
    await world.archive([entryAt(90_000, 1), entryAt(90_001, 1)]);
    await check(world);
    return world;
  }

  test('is one for each day, is written only where something changed, and goes with the slices that are pruned', async () => {
    const world = await made();
    const keys = ['1970-01-01', '1970-01-02'].map((date) => artifactKeys.sliceIndex(archivePrefix, date));
    expect(await indexKeys(world.far)).toEqual(keys);
    const etags = await Promise.all(keys.map(async (key) => (await world.far.head(key))?.etag));
    await check(world);
    expect(await Promise.all(keys.map(async (key) => (await world.far.head(key))?.etag))).toEqual(etags);
    await world.archive([entryAt(90_001, 1), entryAt(400_000, 1)]);
    await world.addBackup(2, 2, 4, world.near, 90_001);
    await world.clock.advance(500_000_000);
    expect(await pruneArchive({ dryRun: false }, world.deps)).toMatchObject([{ slices: 3 }]);
    expect(await indexKeys(world.far)).toEqual(keys.slice(1));
  });

  test('is not needed: where it can not be written, the check finds the same', async () => {
    const world = await made();
    await world.far.delete(await indexKeys(world.far));
    const refusing: ObjectStore = {
      ...countedStore(world.far).store,
      put: (key) => Promise.reject(new Error(`${key} is not allowed`)),
    };
    const deps = { ...world.deps, events, openStorage: () => refusing };
    expect(await checkArchive({ deployment: 'orders', seconds: 60, now: true }, deps)).toMatchObject([
      { status: 'whole', slices: 3 },
    ]);
  });

  test('is not written where the listing tells no version: of the same size there may be another one', async () => {
    const world = await made();
    await world.far.delete(await indexKeys(world.far));
    const far: ObjectStore = {
      ...countedStore(world.far).store,
      async *list(prefix) {
        for await (const { key, size } of world.far.list(prefix)) yield { key, size };
      },
    };
    const deps = { ...world.deps, events, openStorage: () => far };
    await checkArchive({ deployment: 'orders', seconds: 60, now: true }, deps);
    expect(await indexKeys(world.far)).toEqual([]);
  });

  test.each([
    ['entries', /,2,(\d+),"/, ',3,$1,"'],
    ['bytes', /,2,(\d+),"/, ',2,1$1,"'],
    ['undecided transactions', /\[\]\]/, '[[1500,1]]]'],
  ])('and says other %s than a slice itself is not believed by who restores', async (_, what, other) => {
    const world = await made();
    const choose = async () =>
      (await chooseRestore({ backup: 'orders', to: 'mongodb://t', at: 'latest' }, new Set(['logical']), world.deps))
        .slices;
    const known = await choose();
    const key = artifactKeys.sliceIndex(archivePrefix, '1970-01-01');
    const [, ...rows] = (await world.far.get(key)).body.toString().split('\n');
    const lying = rows.join('\n').replace(what, other);
    expect(lying).not.toBe(rows.join('\n'));
    const head = JSON.stringify({ schemaVersion: 1, sha256: sha256Hex(lying) });
    await world.far.put(key, Buffer.from(`${head}\n${lying}`));
    expect(await choose()).toEqual(known);
  });

  test.each(['all', 'sample'] as const)(
    'shows a slice that was replaced by another whole one (verify: %s): it is told, once; one with the same entries is not',
    async (verify) => {
      const world = await made();
      const [orders] = Object.values(world.deps.settings.deployments);
      if (!orders?.oplogArchive) throw new TypeError('no archive');
      const deployments = { orders: { ...orders, oplogArchive: { ...orders.oplogArchive, verify } } };
      const told: string[] = [];
      const look = () =>
        checkArchive(
          { deployment: 'orders', seconds: 60, now: true },
          {
            ...{ ...world.deps, settings: { ...world.deps.settings, deployments } },
            events: {
              publish: ({ detailType, detail }) => {
                told.push(`${detailType}: ${String(detail['slice'])}`);
                return Promise.resolve();
              },
            },
          },
        );
      await put(world, (old) => Buffer.from(old));
      expect(await look()).toMatchObject([{ status: 'whole', replaced: [] }]);
      const key = await world.archive([entryAt(2000, 1), entryAt(3000, 1), entryAt(90_000, 1)]);
      expect(await look()).toMatchObject([{ status: 'replaced', losses: [], replaced: [key] }]);
      expect(told).toEqual([`Oplog Slice Replaced: ${key}`]);
      expect(await look()).toMatchObject([{ status: 'whole', replaced: [] }]);
    },
  );
});

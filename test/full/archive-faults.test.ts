import { readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { makeRandom } from '../../local/demo/random.ts';
import { makeOwnDirectory, removeOwnDirectory } from '../../local/servers/reaper.ts';
import { type ReplicaSetServers, startReplicaSet } from '../../local/servers/replica-set.ts';
import { DirectoryObjectStore } from '../../src/adapters/directory/directory-object-store.ts';
import { stateKeys } from '../../src/domain/names.ts';
import { ArchiveWorld, setId, untilCaughtUp, untilServerIsIdle, write } from '../support/archive-world.ts';
import { stalled } from '../support/failing-archive-store.ts';
import type { Fault, ProxiedRequest } from '../support/fault-proxy.ts';
import { mountOwnDisk, whyNoDisk } from '../support/own-disk.ts';
import { type S3ThroughProxy, startS3ThroughProxy } from '../support/s3-through-proxy.ts';

/** Storages that fail while a real set is archived: what is there afterwards is its oplog, entry for entry. */

let set: ReplicaSetServers;
let id = 0;
beforeAll(async () => {
  set = await startReplicaSet({
    members: [{}, { hidden: true, votes: 0 }],
    oplogSizeMb: 990,
    args: ['--setParameter=disableLogicalSessionCacheRefresh=1'],
  });
  await untilServerIsIdle(set);
});
afterAll(() => set.stop());

let world: ArchiveWorld;
async function writeOne(payload?: string): Promise<void> {
  await write(set, ++id, payload);
  await untilCaughtUp(set, set.hidden);
}
async function requireExact(): Promise<void> {
  expect((await world.entries()).map(String)).toEqual((await world.oplog()).map(String));
  expect(await world.gaps()).toEqual([]);
}
const inMinutes = (minutes: number) => ({ now: () => new Date(Date.now() + minutes * 60_000) });

describe('an S3 storage', () => {
  let s3: S3ThroughProxy;
  let worlds = 0;
  /** As the archiver reaches them, through the proxy. */
  let faulty: { store: ReturnType<S3ThroughProxy['store']>; state: ReturnType<S3ThroughProxy['store']> };
  beforeAll(async () => {
    s3 = await startS3ThroughProxy();
  });
  afterAll(() => s3.stop());
  beforeEach(async () => {
    s3.proxy.reset();
    const [store, state] = [`archive-${++worlds}/`, `state-${worlds}/`];
    const endpoint = s3.moto.endpoint;
    faulty = { store: s3.store({ prefix: store }), state: s3.store({ prefix: state }) };
    world = new ArchiveWorld(set, undefined, {
      store: s3.store({ prefix: store, endpoint }),
      state: s3.store({ prefix: state, endpoint }),
    });
    await writeOne();
    await turn();
    await writeOne();
  });

  const turn = (options: Parameters<ArchiveWorld['turn']>[0] = {}) => world.turn({ ...faulty, ...options });
  const ofArchive = ({ url }: ProxiedRequest) => url.includes('/archive-');
  const ofState = ({ url }: ProxiedRequest) => url.includes('/state-');
  const putOf =
    (which: (request: ProxiedRequest) => boolean) =>
    (request: ProxiedRequest): boolean =>
      request.operation === 'PutObject' && which(request);
  const keys = async () => (await world.slices()).map(({ key }) => key);
  /** Nothing that was begun is left, and the next turns go on as ever. */
  async function requireGoesOn(): Promise<void> {
    s3.proxy.reset();
    await writeOne();
    expect(await turn()).toMatchObject({ status: 'archived' });
    await requireExact();
    expect(await world.store.discardUnfinished('')).toBe(0);
    expect((await world.progress())?.stalled).toBeUndefined();
  }

  const passing: readonly Fault[] = [
    { kind: 'answer', status: 503, code: 'SlowDown' },
    { kind: 'answer', status: 500, code: 'InternalError' },
    { kind: 'answer after', status: 500, code: 'InternalError' },
    { kind: 'reset before' },
    { kind: 'reset after' },
    { kind: 'truncate', bytes: 10 },
  ];
  test.each(passing)(
    'that fails for a moment, whatever is asked of it: the turn goes on ($kind $code)',
    async (fault) => {
      let n = 0;
      s3.proxy.order(fault, () => n++ % 3 === 0, 1000);
      expect(await turn()).toMatchObject({ status: 'archived', slices: 1 });
      expect(world.events).toEqual([]);
      await requireGoesOn();
    },
  );

  test.each(passing.slice(0, 4))(
    'that fails for long fails the turns, and that is told ($kind $code)',
    async (fault) => {
      s3.proxy.order(fault, ofArchive, 1e6);
      await expect(turn()).rejects.toMatchObject({ name: 'StorageUnavailable' });
      expect(world.events).toEqual([]);
      await expect(turn(inMinutes(16))).rejects.toMatchObject({ name: 'StorageUnavailable' });
      expect(world.events).toMatchObject([{ detailType: 'Oplog Archive Stalled', detail: { replicaSet: 'rs0' } }]);
      await expect(turn(inMinutes(30))).rejects.toMatchObject({ name: 'StorageUnavailable' });
      expect(world.events).toHaveLength(1);
      await requireGoesOn();
    },
  );

  test('whose answers are lost for good, so that a slice is there although its turn failed: the next turn goes on from it', async () => {
    const before = await keys();
    // Once the first slice is put, nothing of the archive can be read any more either.
    let isPut = false;
    s3.proxy.order({ kind: 'reset after' }, (request) => putOf(ofArchive)(request) && (isPut = true), 1e6);
    s3.proxy.order({ kind: 'reset before' }, (request) => ofArchive(request) && isPut, 1e6);
    await expect(turn()).rejects.toMatchObject({ name: 'StorageUnavailable' });
    s3.proxy.reset();
    const after = await world.slices();
    expect(after).toHaveLength(before.length + 1);
    await writeOne();
    expect(await turn()).toMatchObject({ status: 'archived', slices: 1 });
    expect((await world.slices()).map(({ header }) => header.sha256)).toEqual(
      expect.arrayContaining(after.map(({ header }) => header.sha256)),
    );
    expect(await keys()).toHaveLength(before.length + 2);
    await requireGoesOn();
  });

  test.each(['archive', 'state'])(
    'that refuses the archiver for a while (%s): the turns fail, and go on afterwards',
    async (which) => {
      const refused: Fault = { kind: 'answer', status: 403, code: 'AccessDenied' };
      s3.proxy.order(refused, which === 'archive' ? ofArchive : ofState, 1e6);
      await expect(turn()).rejects.toMatchObject({ name: 'StorageAccessDenied' });
      await expect(turn(inMinutes(20))).rejects.toMatchObject({ name: 'StorageAccessDenied' });
      // Where the state can't be written, the alarms of the stage tell it.
      expect(world.events).toHaveLength(which === 'archive' ? 1 : 0);
      await requireGoesOn();
    },
  );

  test.each(['archive', 'state'])(
    'that never answers a write (%s): the turn gives up in its time, with its lease given back',
    async (which) => {
      s3.proxy.order({ kind: 'silence' }, putOf(which === 'archive' ? ofArchive : ofState), 1e6);
      const begun = performance.now();
      await expect(turn({ seconds: 1 })).rejects.toMatchObject({ name: 'StepTimedOut' });
      expect(performance.now() - begun).toBeLessThan(45_000);
      s3.proxy.reset();
      // By another archiver, at once.
      await writeOne();
      expect(await turn()).toMatchObject({ status: 'archived' });
      await requireGoesOn();
    },
  );

  test('that answers slowly is waited for', async () => {
    s3.proxy.order({ kind: 'drip', everyMs: 1 }, (request) => ofState(request) && request.operation === 'GetObject');
    expect(await turn()).toMatchObject({ status: 'archived' });
    await requireGoesOn();
  });

  test('in which another archiver was faster: its slice is taken over, and a write that comes late is refused', async () => {
    const held = stalled(faulty.store);
    const late = turn({ store: held.store });
    await held.reached;
    await world.state.delete([stateKeys.archiveLease('orders', 'rs0')]);
    await writeOne();
    expect(await turn()).toMatchObject({ status: 'archived', slices: 1 });
    const before = await world.slices();
    held.release();
    expect(await late).toMatchObject({ status: 'archived', more: true });
    expect((await world.slices()).map(({ header }) => header.run)).toEqual(before.map(({ header }) => header.run));
    await requireGoesOn();
  });

  test('of the state that fails while slices are written: they are found, and nothing is written twice', async () => {
    const progress = stateKeys.archiveProgress('orders', `rs0-${setId}`);
    const before = await keys();
    s3.proxy.order(
      { kind: 'answer', status: 500, code: 'InternalError' },
      (request) => putOf(ofState)(request) && request.url.includes(encodeURI(progress)),
      1e6,
    );
    for (const more of [1, 2, 3]) {
      await expect(turn()).rejects.toMatchObject({ name: 'StorageUnavailable' });
      expect(await keys()).toHaveLength(before.length + more);
      await writeOne();
    }
    await requireGoesOn();
    // Nor read: nothing is archived without a lease.
    await writeOne();
    const known = await keys();
    s3.proxy.order({ kind: 'answer', status: 500, code: 'InternalError' }, ofState, 1e6);
    await expect(turn()).rejects.toMatchObject({ name: 'StorageUnavailable' });
    expect(await keys()).toEqual(known);
    await requireGoesOn();
  });

  test.each([1, 2])(
    'and its state, both unreliable in every way for many turns of two archivers: one chain (seed %i)',
    async (seed) => {
      const random = makeRandom(seed);
      const faults: readonly [Fault, ...Fault[]] = [
        { kind: 'answer', status: 503, code: 'SlowDown' },
        { kind: 'answer after', status: 500, code: 'InternalError' },
        { kind: 'answer', status: 403, code: 'AccessDenied' },
        { kind: 'reset before' },
        { kind: 'reset after' },
        { kind: 'truncate', bytes: 3 },
      ];
      // Impatient: many of the turns fail.
      const [store, state] = [`archive-${worlds}/`, `state-${worlds}/`];
      const patience = { attempts: 2 };
      const impatient = { store: s3.store({ prefix: store, patience }), state: s3.store({ prefix: state, patience }) };
      const writing = new AbortController();
      const writer = (async () => {
        while (!writing.signal.aborted) await write(set, ++id, 'x'.repeat(random.below(2000)));
      })();
      const ended = { archived: 0, failed: 0 };
      try {
        for (let round = 0; round < 30; round += 1) {
          s3.proxy.reset();
          for (const fault of faults) s3.proxy.order(fault, () => random.below(40) === 0, 2);
          const turns = await Promise.allSettled([0, 1].map(() => world.turn(impatient)));
          for (const one of turns)
            ended[one.status === 'fulfilled' && one.value.status === 'archived' ? 'archived' : 'failed'] += 1;
          // Of who could not give it back.
          if (round % 2 === 1) await world.state.delete([stateKeys.archiveLease('orders', 'rs0')]);
        }
      } finally {
        writing.abort();
        await writer;
      }
      console.log(
        `seed ${seed}: ${ended.archived} turns archived, ${ended.failed} did not, ${(await keys()).length} slices`,
      );
      expect(ended.archived).toBeGreaterThan(5);
      expect(ended.failed).toBeGreaterThan(5);
      s3.proxy.reset();
      await world.state.delete([stateKeys.archiveLease('orders', 'rs0')]);
      await untilCaughtUp(set, set.hidden);
      await requireGoesOn();
    },
  );
});

const why = whyNoDisk('tmpfs');
describe.skipIf(why)(`a disk without room${why === undefined ? '' : ` (left out: ${why})`}`, () => {
  test.each(['archive', 'state'] as const)(
    'for the %s: nothing half-written, the turn says it, and the next ones go on',
    async (which) => {
      const directory = await makeOwnDirectory('archive-faults');
      const disk = await mountOwnDisk('tmpfs', directory, 16);
      const roots = { archive: join(directory, 'a'), state: join(directory, 's'), [which]: join(disk.path, which) };
      const [store, state] = [roots.archive, roots.state].map((root) => new DirectoryObjectStore({ root })) as [
        DirectoryObjectStore,
        DirectoryObjectStore,
      ];
      world = new ArchiveWorld(set, undefined, { store, state });
      try {
        await writeOne();
        await world.turn();
        await writeOne('z'.repeat(100_000));
        const filler = join(disk.path, 'filler');
        await writeFile(filler, Buffer.alloc(16 * 1024 * 1024)).catch(() => undefined);
        await expect(world.turn()).rejects.toMatchObject({ name: 'StorageFull' });
        await expect(world.turn(inMinutes(20))).rejects.toMatchObject({ name: 'StorageFull' });
        expect(world.events).toHaveLength(which === 'archive' ? 1 : 0);
        const left = await readdir(join(roots[which], '.holdfast-store', 'partial'), { recursive: true }).catch(
          () => [],
        );
        expect(left.filter((name) => name.includes('/') && !name.endsWith('lock'))).toEqual([]);
        await requireExact();
        await rm(filler);
        await writeOne();
        expect(await world.turn()).toMatchObject({ status: 'archived' });
        await requireExact();
      } finally {
        await Promise.all([store.close(), state.close()]);
        await disk.unmount();
        await removeOwnDirectory(directory);
      }
    },
  );
});

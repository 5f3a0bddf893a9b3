import type { Document } from 'mongodb';
import { describe, expect, it } from 'vitest';
import { type ScanInput, scanOplog } from '../../../src/engine/replay/scan-oplog.ts';
import { at, rawEntry, ui, uuidHex } from '../../support/oplog-entries.ts';

const noop = rawEntry(1, { op: 'n', ns: '', o: {} });
const insert = (i: number, uuid: number, ns = 'db.c') => rawEntry(i, { op: 'i', ns, ui: ui(uuid), o: { _id: i } });
const command = (i: number, o: Document, uuid?: number) =>
  rawEntry(i, { op: 'c', ns: 'db.$cmd', ...(uuid === undefined ? {} : { ui: ui(uuid) }), o });

/** The base holds collection 1 as db.c; everything up to the last entry is restored. */
function scan(entries: readonly Buffer[], input: Partial<ScanInput> = {}) {
  async function* pieces() {
    await Promise.resolve();
    yield [noop];
    yield entries;
  }
  return scanOplog(pieces(), {
    restoreTime: at(entries.length + 1).ts,
    applyFrom: at(1).ts,
    from: at(1),
    users: false,
    base: [[uuidHex(1), 'db.c']],
    ...input,
  });
}

describe('the first reading of the captured oplog', () => {
  it('counts the entries up to the restore time and names the collections dropped by it', async () => {
    const entries = [insert(2, 1), command(3, { drop: 'c' }, 1), insert(4, 9)];
    const result = await scan(entries, { restoreTime: at(3).ts });
    expect(result.entries).toBe(3);
    expect([...result.dropped]).toEqual([uuidHex(1)]);
  });

  it('fails for a collection that nothing accounts for, unless it is dropped by the restore time', async () => {
    const entries = [insert(2, 5, 'db.unread'), command(3, { drop: 'unread' }, 5)];
    await expect(scan(entries, { restoreTime: at(2).ts })).rejects.toMatchObject({
      name: 'VerificationFailed',
      message: expect.stringContaining('db.unread (insert at 100:2)') as string,
    });
    expect((await scan(entries)).dropped).toEqual(new Set([uuidHex(5)]));
  });

  it('refuses a change of the feature compatibility version after the base, naming the entry', async () => {
    const id = { _id: 'featureCompatibilityVersion' };
    const change = rawEntry(3, { op: 'u', ns: 'admin.system.version', ui: ui(7), o: { $v: 2 }, o2: id });
    await expect(scan([insert(2, 1), change])).rejects.toMatchObject({
      name: 'UnsupportedOplogEntry',
      message: expect.stringContaining('100:3') as string,
    });
    await expect(scan([insert(2, 1), change], { restoreTime: at(2).ts })).resolves.toMatchObject({ entries: 2 });
    await expect(scan([insert(2, 1), change], { applyFrom: at(3).ts })).resolves.toMatchObject({ entries: 3 });
  });

  it('counts a collection as dropped that another one was renamed over', async () => {
    const over = command(3, { renameCollection: 'db.c', to: 'db.unread', dropTarget: ui(5) }, 1);
    expect((await scan([insert(2, 5, 'db.unread'), over])).dropped).toEqual(new Set([uuidHex(5)]));
  });

  it('lets pass what the base holds for certain, whatever it is, and what is never carried', async () => {
    const strange = command(2, { newCommand: 1 });
    await expect(scan([strange])).rejects.toMatchObject({ name: 'UnsupportedOplogEntry' });
    await scan([strange], { applyFrom: at(2).ts });
    await scan([insert(2, 7, 'config.anything'), insert(3, 8, 'admin.system.users')]);
    await expect(scan([insert(2, 8, 'admin.system.users')], { users: true })).rejects.toThrow(/admin\.system\.users/);
  });

  it('takes a collection of a dropped database only if it is created again later', async () => {
    const drop = command(2, { dropDatabase: 1 });
    await expect(scan([drop])).rejects.toMatchObject({ name: 'VerificationFailed' });
    await scan([drop, command(3, { create: 'c' }, 1)]);
    const before = [command(2, { create: 'd' }, 2), command(3, { drop: 'c' }, 1), command(4, { dropDatabase: 1 })];
    await expect(scan(before)).rejects.toMatchObject({ name: 'UnsupportedOplogEntry' });
  });

  it('fails for an oplog that begins after the start of capture, or ends before the restore time', async () => {
    await expect(scan([insert(2, 1)], { from: at(0) })).rejects.toMatchObject({ name: 'OplogGap' });
    await expect(scan([insert(2, 1)], { restoreTime: at(3).ts })).rejects.toMatchObject({ name: 'OplogGap' });
  });
});

import { Timestamp } from 'mongodb';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { seedShop } from '../../local/demo/seed-shop.ts';
import { type ShopWriter, startShopWriter } from '../../local/demo/shop-writer.ts';
import { copyWitness, freezeAt, type Witness } from '../../local/servers/frozen-source.ts';
import { readTop } from '../../local/servers/oplog-append.ts';
import { until } from '../../local/servers/poll.ts';
import { type ReplicaSetServers, startReplicaSet } from '../../local/servers/replica-set.ts';
import { startStandalone } from '../../local/servers/standalone.ts';
import { compareTimestamps } from '../../src/domain/timestamp.ts';
import { type DeploymentState, findDifferences, readDeploymentState } from '../support/deployment-hashes.ts';

const sizes = { orders: 3000, customers: 300, products: 2000, measurements: 800, events: 1000, accounts: 200 };

/** Collections come and go while the writer of the demo works. */
async function changeCollections(set: ReplicaSetServers): Promise<void> {
  const db = set.client().db('passing');
  await db.collection('a').insertMany(Array.from({ length: 200 }, (_, n) => ({ n })));
  await db.renameCollection('a', 'b');
  await db.createCollection('c', { capped: true, size: 4096 });
  await db.collection('c').insertMany([{ n: 1 }, { n: 2 }]);
  await db.collection('b').createIndexes([{ key: { n: 1 }, name: 'n_1', unique: true }]);
  await db.collection('d').insertOne({ 10: 'numeric names keep their order', 2: 'as bytes' });
  await db.dropCollection('c');
  await db.command({ collMod: 'b', index: { name: 'n_1', hidden: true } });
  await db.command({ createUser: 'late', pwd: 'demo-only', roles: [] });
}

async function untilWritten(writer: ShopWriter, total: number): Promise<void> {
  const enough = until(`${total} writes are done`, () => Promise.resolve(writer.total() >= total || undefined));
  await Promise.race([writer.ended, enough]);
}

describe('a source frozen at a timestamp', () => {
  let set: ReplicaSetServers;
  let witness: Witness;
  let expected: DeploymentState;
  let time: { t: number; i: number };

  beforeAll(async () => {
    set = await startReplicaSet({ auth: true, members: [{}, {}, { hidden: true, votes: 0 }], oplogSizeMb: 256 });
    await seedShop(set.client(), sizes);
    let writer: ShopWriter = startShopWriter(set.client(), { lanes: 4, restMs: 0 });
    witness = await copyWitness(set, set.hidden);
    await changeCollections(set);
    await untilWritten(writer, writer.total() + 500);
    await writer.stop();

    // The independent look: nobody writes, and the primary itself is read.
    const primary = set.clientFor(await set.primary());
    time = (await readTop(primary)).ts;
    expected = await readDeploymentState(primary);
    writer = startShopWriter(set.client(), { lanes: 4, restMs: 0, firstNumber: 5_000_000 });
    await untilWritten(writer, 200);
    await writer.stop();
  });
  afterAll(() => set.stop());

  test('equals the live source, which stood still at that time and went on afterwards', async () => {
    const frozen = await freezeAt(witness, time);
    expect(findDifferences(expected, await readDeploymentState(frozen.client()))).toEqual([]);
    expect(findDifferences(expected, await readDeploymentState(set.client()))).not.toEqual([]);
    await frozen.stop();
  });

  test('a time between two writes of the writer can be frozen, and holds the earlier and not the later', async () => {
    const oplog = set.client().db('local').collection('oplog.rs');
    const filter = { op: 'i', ns: 'shop.events', ts: { $gt: new Timestamp(time) } };
    const [first, second] = await oplog.find(filter).sort({ $natural: 1 }).limit(2).toArray();
    const ts = first?.['ts'] as Timestamp;
    const frozen = await freezeAt(witness, { t: ts.t, i: ts.i });
    const events = frozen.client().db('shop').collection('events');
    const idOf = (entry: typeof first) => (entry?.['o'] as { _id: never })._id;
    expect(await events.countDocuments({ _id: idOf(first) })).toBe(1);
    expect(await events.countDocuments({ _id: idOf(second) })).toBe(0);
    await frozen.stop();
  });

  test('an index whose construction had begun at that time and was not committed is not there', async () => {
    const oplog = set.client().db('local').collection('oplog.rs');
    const begun = await oplog.findOne({ op: 'c', 'o.startIndexBuild': 'orders', ts: { $gt: new Timestamp(time) } });
    const ts = begun?.['ts'] as Timestamp;
    const frozen = await freezeAt(witness, { t: ts.t, i: ts.i });
    const plain = await frozen.client().db('shop').collection('orders').indexes();
    expect(plain.map(({ name }) => name)).toContain('passing');
    const state = await readDeploymentState(frozen.client());
    expect(JSON.stringify(state.databases['shop']?.collections['orders']?.indexes)).not.toContain('passing');
    expect(JSON.stringify(state.databases['shop']?.collections['orders']?.indexes)).toContain('customer_placedAt');
    await frozen.stop();
  });

  test('a time before the copy is refused: recovery would stop at the copy without a word', async () => {
    const oplog = set.client().db('local').collection('oplog.rs');
    const [oldest] = await oplog.find().sort({ $natural: 1 }).skip(20).limit(1).toArray();
    const ts = oldest?.['ts'] as Timestamp;
    expect(compareTimestamps({ t: ts.t, i: ts.i }, time)).toBeLessThan(0);
    await expect(freezeAt(witness, { t: ts.t, i: ts.i })).rejects.toThrow(/copied too late/);
  });

  test("a source that no longer has the copy's last entry is refused: recovery would accept the hole without a word", async () => {
    const other = await startStandalone();
    const local = other.client().db('local');
    await local.createCollection('oplog.rs', { capped: true, size: 1_000_000 });
    await local.collection('oplog.rs').insertOne({ op: 'n', ns: '', o: {}, ts: new Timestamp(time), t: 1 });
    const rolledOver = { ...set, primary: () => set.primary(), clientFor: () => other.client() };
    await expect(freezeAt({ ...witness, set: rolledOver }, time)).rejects.toThrow(/no longer reaches back/);
    await other.stop();
  });

  test('a time that is no entry of the oplog is refused', async () => {
    await expect(freezeAt(witness, { t: time.t, i: time.i + 900_000 })).rejects.toThrow(/no entry at/);
  });
});

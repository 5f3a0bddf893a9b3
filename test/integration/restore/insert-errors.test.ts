import { BSON, type Document } from 'mongodb';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type ReplicaSetServers, startReplicaSet } from '../../../local/servers/replica-set.ts';
import { HoldfastError } from '../../../src/domain/errors.ts';
import type { BulkTarget } from '../../../src/engine/restore/ask-target.ts';
import { insertDocuments, insertInOrder } from '../../../src/engine/restore/insert-documents.ts';

/** Inserts go past the driver: every way in which a server says no must be heard. */
let set: ReplicaSetServers;
let target: BulkTarget;
beforeAll(async () => {
  set = await startReplicaSet({ members: [{}], args: ['--setParameter=enableTestCommands=1'] });
});
afterAll(() => set.stop());
const client = () => set.client();
const collection = () => client().db('db').collection<{ _id: number }>('c');
beforeEach(async () => {
  await collection().drop();
  target = { client: client(), host: set.members[0]?.host, signal: new AbortController().signal };
});

const documents = (...ids: readonly number[]) => Buffer.concat(ids.map((_id) => Buffer.from(BSON.serialize({ _id }))));

/** Of the next insert. */
async function failNext(data: Document): Promise<void> {
  const point = { configureFailPoint: 'failCommand', mode: { times: 1 } };
  await client()
    .db('admin')
    .command({ ...point, data: { failCommands: ['insert'], ...data } });
}

describe.each([
  ['at once', insertDocuments],
  ['in order', insertInOrder],
] as const)('inserts %s', (_how, insert) => {
  it('take every document, and count those that were there', async () => {
    expect(await insert(target, 'db.c', documents(1, 2, 3))).toBe(0);
    expect(await insert(target, 'db.c', documents(3, 4))).toBe(1);
    expect(await collection().countDocuments()).toBe(4);
  });

  it('fail when the command fails', async () => {
    await failNext({ errorCode: 96 });
    await expect(insert(target, 'db.c', documents(1))).rejects.toMatchObject({
      name: 'RestoreRejected',
      message: expect.stringMatching(/an insert into db.c.*code 96/) as string,
    });
  });

  it('fail when the write concern does, though the documents were taken', async () => {
    await failNext({ writeConcernError: { code: 100, errmsg: 'not enough members' } });
    await expect(insert(target, 'db.c', documents(1))).rejects.toMatchObject({
      name: 'RestoreRejected',
      message: expect.stringMatching(/not enough members \(code 100\)/) as string,
    });
    await failNext({ writeConcernError: { code: 189, errmsg: 'stepped down' } });
    await expect(insert(target, 'db.c', documents(2))).rejects.toMatchObject({ name: 'TargetUnreachable' });
  });

  it('fail when the server is no primary, or the connection ends', async () => {
    await failNext({ errorCode: 10107 });
    await expect(insert(target, 'db.c', documents(1))).rejects.toMatchObject({ name: 'TargetUnreachable' });
    await failNext({ closeConnection: true });
    await expect(insert(target, 'db.c', documents(1))).rejects.toMatchObject({ name: 'TargetUnreachable' });
    expect(await collection().countDocuments()).toBe(0);
    expect(await insert(target, 'db.c', documents(1))).toBe(0);
  });

  it('fail when a document is refused, whatever became of the others', async () => {
    const refused = Buffer.from(BSON.serialize({ _id: { $bad: 1 } }));
    await expect(insert(target, 'db.c', Buffer.concat([documents(1), refused, documents(2)]))).rejects.toMatchObject({
      name: 'RestoreRejected',
      message: expect.stringMatching(/rejected a document of db.c/) as string,
    });
  });

  it('end with the reason of who stops them', async () => {
    const stop = new AbortController();
    await failNext({ blockConnection: true, blockTimeMS: 60_000 });
    const inserting = insert({ ...target, signal: stop.signal }, 'db.c', documents(1));
    const blocked = () =>
      client()
        .db('admin')
        .aggregate([{ $currentOp: {} }, { $match: { 'command.insert': 'c' } }])
        .toArray();
    await expect.poll(async () => (await blocked()).length, { timeout: 30_000 }).toBe(1);
    const reason = new HoldfastError('Cancelled', 'asked to stop');
    stop.abort(reason);
    await expect(inserting).rejects.toBe(reason);
    for (const { opid } of await blocked())
      await client()
        .db('admin')
        .command({ killOp: 1, op: opid as number });
  });
});

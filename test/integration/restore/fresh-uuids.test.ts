import { BSON, type Document } from 'mongodb';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type StandaloneServer, startStandalone } from '../../../local/servers/standalone.ts';
import { CollectionCatalog } from '../../../src/engine/replay/collection-catalog.ts';
import { CollectionMap } from '../../../src/engine/replay/collection-map.ts';
import { replayOplog } from '../../../src/engine/replay/replay-oplog.ts';
import { scanOplog } from '../../../src/engine/replay/scan-oplog.ts';
import { TargetCollections, takesUuids } from '../../../src/engine/restore/target-collections.ts';
import { at, rawEntry, ui, uuidHex } from '../../support/oplog-entries.ts';

let target: StandaloneServer;
beforeAll(async () => {
  target = await startStandalone();
});
afterAll(() => target.stop());

const idIndex = { v: 2, key: { _id: 1 }, name: '_id_' };
const command = (i: number, o: Document, uuid: number) => rawEntry(i, { op: 'c', ns: 'db.$cmd', ui: ui(uuid), o });
const insert = (i: number, name: string, uuid: number) =>
  rawEntry(i, { op: 'i', ns: `db.${name}`, ui: ui(uuid), o: { _id: i } });

describe('a target that takes no UUIDs from outside', () => {
  it('gets collections with UUIDs of its own, and entries rewritten to them', async () => {
    const client = target.client();
    expect(await takesUuids(client)).toBe(true);
    const entries = [
      rawEntry(1, { op: 'n', ns: '', o: {} }),
      command(2, { create: 'a', idIndex }, 2),
      insert(3, 'a', 2),
      insert(4, 'base', 1),
      command(5, { renameCollection: 'db.a', to: 'db.b', stayTemp: false }, 2),
      insert(6, 'b', 2),
      command(7, { renameCollection: 'db.b', to: 'db.base', stayTemp: false, dropTarget: ui(1) }, 2),
      rawEntry(8, { op: 'u', ns: 'db.base', ui: ui(2), o: { $v: 2, diff: { i: { n: 1 } } }, o2: { _id: 3 } }),
    ];
    async function* pieces() {
      await Promise.resolve();
      yield entries;
    }
    const collections = new TargetCollections(client, 'fresh');
    const [map, catalog] = [new CollectionMap(), new CollectionCatalog()];
    const shape = {
      options: Buffer.from(BSON.serialize({})),
      idIndex: Buffer.from(BSON.serialize(idIndex)),
    };
    catalog.add(uuidHex(1), shape.options, [shape.idIndex]);
    map.create(uuidHex(1), 'db.base');
    await collections.create(uuidHex(1), 'db.base', shape);
    const bounds = { restoreTime: at(8).ts, applyFrom: at(1).ts, from: at(1), users: false };
    const scan = await scanOplog(pieces(), { ...bounds, base: [[uuidHex(1), 'db.base']] });
    const input = { ...bounds, point: at(1).ts, parallel: 2, maxWireVersion: 17, scan, repeated: new Map() };
    const signal = new AbortController().signal;
    await replayOplog(pieces(), input, { client, collections, map, catalog, signal, onReplayed: () => undefined });
    const [info, ...more] = await client.db('db').listCollections({}, { nameOnly: false }).toArray();
    expect([info?.name, more]).toEqual(['base', []]);
    const uuid = info?.info?.uuid?.toString('hex').replaceAll('-', '');
    expect(uuid).not.toBe(uuidHex(2));
    expect(collections.uuidOf(uuidHex(2))).toBe(uuid);
    const documents = await client.db('db').collection<{ _id: number }>('base').find().sort({ _id: 1 }).toArray();
    expect(documents).toEqual([{ _id: 3, n: 1 }, { _id: 6 }]);
  });
});

import { Binary, BSON, Long, Timestamp, UUID } from 'mongodb';
import { describe, expect, it } from 'vitest';
import { readOplogEntry, transactionKey, transactionRole } from '../../../src/engine/oplog/oplog-entry.ts';

const lsid = { id: new UUID('00112233-4455-6677-8899-aabbccddeeff'), uid: new Binary(Buffer.alloc(32, 1)) };
const at = (i: number) => ({ ts: new Timestamp({ t: 0xf000_0000, i }), t: Long.fromNumber(7) });
const encode = (document: object): Buffer => Buffer.from(BSON.serialize(document));

describe('readOplogEntry', () => {
  it('reads what decides and keeps the rest as bytes', () => {
    const ui = new UUID('ffeeddcc-bbaa-9988-7766-554433221100');
    const raw = encode({
      op: 'u',
      ns: 'shop.orders',
      ui,
      o: { $v: 2, diff: {} },
      o2: { _id: 1 },
      ...at(9),
      v: Long.fromNumber(2),
    });
    const entry = readOplogEntry(raw);
    expect(entry).toMatchObject({ op: 'u', ns: 'shop.orders', ui: 'ffeeddccbbaa99887766554433221100' });
    expect(entry.opTime).toEqual({ ts: { t: 0xf000_0000, i: 9 }, t: 7 });
    expect(entry.raw).toBe(raw);
    expect(BSON.deserialize(entry.o2 as Buffer)).toEqual({ _id: 1 });
    expect(transactionRole(entry)).toBeUndefined();
  });

  it.each([
    ['partial', { applyOps: [{ prepare: true }], partialTxn: true }],
    ['prepare', { applyOps: [{ partialTxn: true }], prepare: true }],
    ['apply', { applyOps: [{ prepare: true, partialTxn: true }], count: Long.fromNumber(3) }],
    ['commit', { commitTransaction: 1, commitTimestamp: new Timestamp({ t: 1, i: 1 }) }],
    ['abort', { abortTransaction: 1 }],
  ])('tells the entry of a transaction: %s', (role, o) => {
    const entry = readOplogEntry(
      encode({ lsid, txnNumber: Long.fromNumber(4), op: 'c', ns: 'admin.$cmd', o, prevOpTime: at(3), ...at(9) }),
    );
    expect(transactionRole(entry)).toBe(role);
    expect(entry.prevOpTime).toEqual({ ts: { t: 0xf000_0000, i: 3 }, t: 7 });
    expect(transactionKey(entry)).toMatch(/^[0-9a-f]+:4$/);
  });

  it('takes neither a vectored insert nor applyOps without a session for a transaction', () => {
    const vectored = {
      lsid,
      txnNumber: Long.fromNumber(4),
      op: 'c',
      ns: 'admin.$cmd',
      o: { applyOps: [] },
      multiOpType: 1,
      ...at(1),
    };
    expect(transactionRole(readOplogEntry(encode(vectored)))).toBeUndefined();
    expect(
      transactionRole(readOplogEntry(encode({ op: 'c', ns: 'admin.$cmd', o: { applyOps: [] }, ...at(1) }))),
    ).toBeUndefined();
  });

  it('reads the null optime as no entry before', () => {
    const none = { ts: new Timestamp({ t: 0, i: 0 }), t: Long.fromNumber(-1) };
    expect(
      readOplogEntry(encode({ op: 'i', ns: 'a.b', prevOpTime: none, o: {}, ...at(1) })).prevOpTime,
    ).toBeUndefined();
  });

  it.each([
    ['no ts', { op: 'n', t: 1 }],
    ['no op', { ...at(1) }],
    ['a ts that is no timestamp', { op: 'n', ts: 5 }],
  ])('refuses an entry with %s', (_, document) => {
    expect(() => readOplogEntry(encode(document))).toThrow(expect.objectContaining({ name: 'CorruptSource' }));
  });
});

import { BSON, Binary, type Document, Long, Timestamp, UUID } from 'mongodb';
import type { OpTime } from '../../src/domain/timestamp.ts';
import { type OplogEntry, readOplogEntry } from '../../src/engine/oplog/oplog-entry.ts';

export const at = (i: number): OpTime => ({ ts: { t: 100, i }, t: 1 });
/** A server takes version 4 only. */
export const uuidHex = (n: number) => `000000000000400080000000${n.toString(16).padStart(8, '0')}`;

const encodeOpTime = (opTime: OpTime | undefined) =>
  opTime
    ? { ts: new Timestamp({ t: opTime.ts.t, i: opTime.ts.i }), t: Long.fromNumber(opTime.t) }
    : { ts: new Timestamp({ t: 0, i: 0 }), t: Long.fromNumber(-1) };

/** A raw oplog entry as a server writes it, at second 100, increment `i`. */
export function rawEntry(i: number, fields: Document): Buffer {
  const entry = { ...fields, ts: new Timestamp({ t: 100, i }), t: Long.fromNumber(1), v: Long.fromNumber(2) };
  return Buffer.from(BSON.serialize(entry, { ignoreUndefined: true }));
}

export const entry = (i: number, fields: Document): OplogEntry => readOplogEntry(rawEntry(i, fields));
export const ui = (n: number) => new Binary(Buffer.from(uuidHex(n), 'hex'), 4);

/** One entry of the transaction `number` of a session. */
export function transactionEntry(i: number, number: number, previous: OpTime | undefined, o: Document): OplogEntry {
  return entry(i, {
    op: 'c',
    ns: 'admin.$cmd',
    o,
    lsid: { id: new UUID('00112233-4455-6677-8899-aabbccddeeff'), uid: new Binary(Buffer.alloc(32)) },
    txnNumber: Long.fromNumber(number),
    prevOpTime: encodeOpTime(previous),
  });
}

import { Binary, BSON, type Document, Long, UUID } from 'mongodb';
import { describe, expect, test } from 'vitest';
import { splitDocuments } from '../../../src/engine/bson/raw-values.ts';
import { readEntryHead } from '../../../src/engine/oplog/entry-head.ts';
import { readOplogEntry } from '../../../src/engine/oplog/oplog-entry.ts';
import { CountedCollections, EntriesToAppend } from '../../../src/engine/recover/entries-to-append.ts';
import { rawEntry, ui, uuidHex } from '../../support/oplog-entries.ts';

const lsid = { id: new UUID('00112233-4455-6677-8899-aabbccddeeff'), uid: new Binary(Buffer.alloc(32)) };
const session = { lsid, txnNumber: Long.fromNumber(7) };
const insert = { op: 'i', ns: 'a.b', ui: ui(1), o: { _id: 1, lsid: 'its own', text: 'x' } };
const update = { op: 'u', ns: 'a.b', ui: ui(2), o: { $v: 2, diff: { u: { n: 1 } } }, o2: { _id: 1 } };
const remove = { op: 'd', ns: 'a.b', ui: ui(3), o: { _id: 1 } };
const transaction = { op: 'c', ns: 'admin.$cmd', o: { applyOps: [insert, update, { ...remove, ui: ui(4) }] } };

function append(entries: readonly Buffer[]): Buffer[] {
  const buffer = Buffer.concat(entries);
  const kept = new EntriesToAppend(buffer);
  for (let at = 0; at < buffer.length;) {
    const head = readEntryHead(buffer, at);
    kept.add(at, head);
    at = head.end;
  }
  expect(kept.count).toBe(entries.length);
  return [...splitDocuments(kept.bytes)];
}

const plain = (raw: Buffer): Document => BSON.deserialize(raw, { promoteValues: false });

describe('entries that are appended to the oplog of files', () => {
  test.each([
    ['an insert', insert],
    ['an update', { ...update, stmtId: 3 }],
    ['a delete', remove],
  ])('%s that may be tried again goes without its session, and is the same otherwise', (_, fields) => {
    const [made, ...more] = append([rawEntry(1, { ...session, ...fields })]);
    expect(more).toEqual([]);
    expect(made).toEqual(rawEntry(1, fields));
  });

  test.each([
    ['a write of no session', insert],
    ['a transaction', { ...session, ...transaction }],
    ['the end of a transaction', { ...session, op: 'c', ns: 'admin.$cmd', o: { commitTransaction: 1 } }],
    ['a note of a session', { ...session, op: 'n', ns: '', o: {}, o2: {} }],
    ['a findAndModify, which stores an image', { ...session, ...update, needsRetryImage: 'preImage' }],
    ['a write with a session alone', { lsid, ...insert }],
    ['a write whose session comes later', { ...insert, ...session }],
    ['a kind of a later server', { ...session, ...insert, op: 'ii' }],
  ])('%s stays as it is', (_, fields) => {
    const raw = rawEntry(1, fields);
    expect(append([Buffer.from(raw)])).toEqual([raw]);
  });

  test('lie one behind the other, in their order', () => {
    const made = append([
      rawEntry(1, { ...session, ...insert }),
      rawEntry(2, remove),
      rawEntry(3, { ...session, ...transaction }),
      rawEntry(4, { ...session, ...update }),
    ]).map(plain);
    expect(made.map((entry) => (entry['ts'] as { i: number }).i)).toEqual([1, 2, 3, 4]);
    expect(made.map((entry) => 'lsid' in entry)).toEqual([false, false, true, false]);
  });
});

describe('the head of an entry', () => {
  test('says when and where as the whole entry does', () => {
    for (const fields of [{ ...session, ...insert }, update, transaction]) {
      const raw = rawEntry(9, fields);
      const { opTime, op, end, ui: at } = readEntryHead(Buffer.concat([Buffer.alloc(3), raw]), 3);
      const whole = readOplogEntry(raw);
      expect({ opTime, op, end }).toEqual({ opTime: whole.opTime, op: whole.op, end: raw.length + 3 });
      expect(at === undefined ? undefined : raw.toString('hex', at - 3, at + 13)).toBe(whole.ui);
    }
  });

  test('is refused without a time', () => {
    expect(() => readEntryHead(Buffer.from(BSON.serialize({ op: 'n' })), 0)).toThrow('no ts');
  });
});

describe('collections whose numbers change', () => {
  const dashed = (n: number) => new UUID(Buffer.from(uuidHex(n), 'hex')).toHexString();
  const countedBy = (fields: Document): string[] => {
    const counted = new CountedCollections();
    const raw = rawEntry(1, fields);
    counted.add(raw, readEntryHead(raw, 0));
    return counted.uuids;
  };

  test.each([
    ['an insert', insert, [1]],
    ['an update', update, []],
    ['a delete', remove, [3]],
    ['a transaction', transaction, [1, 4]],
    ['a transaction of nothing', { ...transaction, o: { applyOps: [] } }, []],
    ['another command', { op: 'c', ns: 'a.$cmd', ui: ui(5), o: { drop: 'b' } }, []],
    ['an entry without a UUID', { op: 'i', ns: 'a.b', o: { _id: 1 } }, []],
  ])('are found in %s', (_, fields, expected) => {
    expect(countedBy(fields)).toEqual(expected.map(dashed));
  });
});

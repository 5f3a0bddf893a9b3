import { BSON, type Document, ObjectId, UUID } from 'mongodb';
import { describe, expect, it } from 'vitest';
import { type Operation, operationsOf } from '../../../src/engine/replay/operation.ts';
import { type Crud, OperationRewriter } from '../../../src/engine/replay/rewrite-operation.ts';
import { at, entry, ui, uuidHex } from '../../support/oplog-entries.ts';

const read = (fields: Document): Operation[] => [...operationsOf(entry(1, fields))];
const command = (o: Document, fields: Document = {}) => read({ op: 'c', ns: 'db.$cmd', ui: ui(1), o, ...fields })[0];

describe('what an oplog entry does', () => {
  it.each<[string, Document, Document]>([
    ['create', { create: 'c', idIndex: {} }, { kind: 'create', ns: 'db.c', uuid: uuidHex(1) }],
    ['drop', { drop: 'c' }, { kind: 'drop', ns: 'db.c', uuid: uuidHex(1) }],
    ['dropDatabase', { dropDatabase: 1 }, { kind: 'dropDatabase', ns: 'db.$cmd' }],
    ['a rename', { renameCollection: 'db.a', to: 'db.b', stayTemp: false }, { kind: 'rename', to: 'db.b' }],
    [
      'a rename over another one',
      { renameCollection: 'db.a', to: 'db.b', dropTarget: ui(2) },
      { kind: 'rename', ns: 'db.a', dropTarget: uuidHex(2) },
    ],
    ['dropIndexes', { dropIndexes: 'c', index: 'i' }, { kind: 'dropIndex', name: 'i' }],
    ['deleteIndexes', { deleteIndexes: 'c', index: 'i' }, { kind: 'dropIndex', name: 'i' }],
    ['startIndexBuild', { startIndexBuild: 'c' }, { kind: 'nothing' }],
    ['abortIndexBuild', { abortIndexBuild: 'c' }, { kind: 'nothing' }],
    ['collMod', { collMod: 'c', validator: {} }, { kind: 'collMod', ns: 'db.c' }],
    ['dbCheck', { dbCheck: 'db.c', type: 'batch', md5: '0' }, { kind: 'nothing' }],
    ['emptycapped', { emptycapped: 'c' }, { kind: 'emptyCapped', ns: 'db.c' }],
  ])('reads %s', (_name, o, expected) => {
    expect(command(o)).toMatchObject(expected);
  });

  it('takes the spec of an index from the rest of createIndexes, and all of commitIndexBuild', () => {
    const spec = { v: 2, key: { a: 1 }, name: 'a' };
    const specs = (operation: Operation | undefined) =>
      operation?.kind === 'createIndexes' ? operation.specs.map((one) => BSON.deserialize(one)) : [];
    expect(specs(command({ createIndexes: 'c', ...spec }))).toEqual([spec]);
    expect(specs(command({ commitIndexBuild: 'c', indexes: [spec, spec] }))).toEqual([spec, spec]);
  });

  it('unpacks applyOps, nested ones too', () => {
    const insert = { op: 'i', ns: 'db.c', ui: ui(1), o: { _id: 1 } };
    const nested = { op: 'c', ns: 'admin.$cmd', o: { applyOps: [insert] } };
    const operations = read({ op: 'c', ns: 'admin.$cmd', o: { applyOps: [insert, nested] } });
    expect(operations.map(({ kind }) => kind)).toEqual(['insert', 'insert']);
  });

  it('refuses applyOps that are nested deeper than any server writes, instead of following them', () => {
    const nest = (depth: number) => {
      let o: Document = { applyOps: [{ op: 'i', ns: 'db.c', ui: ui(1), o: { _id: 1 } }] };
      for (let level = 0; level < depth; level++) o = { applyOps: [{ op: 'c', ns: 'admin.$cmd', o }] };
      return { op: 'c', ns: 'admin.$cmd', o };
    };
    expect(read(nest(50))).toHaveLength(1);
    for (const depth of [51, 1000])
      expect(() => read(nest(depth))).toThrow(
        expect.objectContaining({
          name: 'UnsupportedOplogEntry',
          message: expect.stringContaining('nested more than 50 deep') as string,
        }) as Error,
      );
  });

  it('leaves alone what was done to local and config', () => {
    expect(read({ op: 'i', ns: 'config.transactions', o: {} })).toEqual([
      { kind: 'nothing', ns: 'config.transactions' },
    ]);
    expect(read({ op: 'c', ns: 'config.$cmd', o: { anything: 1 } })[0]).toMatchObject({ kind: 'nothing' });
    expect(read({ op: 'n', ns: '', o: { msg: 'periodic noop' } })[0]).toMatchObject({ kind: 'nothing' });
  });

  it.each<[string, Document, RegExp]>([
    ['an unknown command', { op: 'c', ns: 'db.$cmd', o: { importCollection: 'x' } }, /command importCollection, ns db/],
    ['an unknown op', { op: 'xi', ns: 'db.c', o: {} }, /100:1 \(op xi, ns db\.c\)/],
    ['an unknown collMod field', { op: 'c', ns: 'db.$cmd', ui: ui(1), o: { collMod: 'c', new: 1 } }, /field new/],
    ['an insert without a UUID', { op: 'i', ns: 'db.c', o: { _id: 1 } }, /no collection UUID/],
    ['an update without o2', { op: 'u', ns: 'db.c', ui: ui(1), o: {} }, /no o2/],
    [
      'an unknown one inside applyOps',
      { op: 'c', ns: 'admin.$cmd', o: { applyOps: [{ op: 'c', ns: 'db.$cmd', ui: ui(1), o: { newCommand: 1 } }] } },
      /command newCommand/,
    ],
  ])('refuses %s, naming it', (_name, fields, message) => {
    expect(() => read(fields)).toThrow(message);
    expect(() => read(fields)).toThrow(expect.objectContaining({ name: 'UnsupportedOplogEntry' }) as Error);
  });
});

describe('rewriting an operation for the target', () => {
  const rewriter = new OperationRewriter();
  const rewrite = (crud: Crud, upsert: boolean) =>
    Buffer.concat([...rewriter.rewrite(crud, 'db.new', uuidHex(9), upsert, at(1).ts).parts]);

  it('changes ns and ui, and copies o and o2 byte by byte', () => {
    // {a: 1, a: 2}: a duplicate key survives only as bytes.
    const o = Buffer.from('13000000106100010000001061000200000000', 'hex');
    const o2 = Buffer.from(BSON.serialize({ _id: new ObjectId() }));
    const written = rewrite({ kind: 'update', ns: 'db.old', uuid: uuidHex(1), o, o2 }, true);
    expect(written.readInt32LE()).toBe(written.length);
    expect(written.includes(Buffer.concat([Buffer.from('\x03o\0'), o, Buffer.from('\x03o2\0'), o2]))).toBe(true);
    const { op, ns, ui: id, b } = BSON.deserialize(written);
    expect([op, ns, b]).toEqual(['u', 'db.new', true]);
    expect((id as UUID).toString('hex')).toBe(new UUID(uuidHex(9)).toString('hex'));
  });

  it('lets only updates create what is missing', () => {
    const o = Buffer.from(BSON.serialize({ _id: 1 }));
    for (const kind of ['insert', 'delete'] as const)
      expect(BSON.deserialize(rewrite({ kind, ns: 'x', uuid: uuidHex(1), o }, true))).not.toHaveProperty('b');
    expect(
      BSON.deserialize(rewrite({ kind: 'update', ns: 'x', uuid: uuidHex(1), o, o2: o }, false)),
    ).not.toHaveProperty('b');
  });
});

import { BSON, type Document } from 'mongodb';
import { describe, expect, it } from 'vitest';
import { CollectionCatalog } from '../../../src/engine/replay/collection-catalog.ts';

const raw = (document: Document) => Buffer.from(BSON.serialize(document));
const idIndex = { v: 2, key: { _id: 1 }, name: '_id_' };
const a = { v: 2, key: { a: 1 }, name: 'a', expireAfterSeconds: 10 };
const b = { v: 2, key: { b: 1, 0: 1 }, name: 'b' };

function catalogOf(options: Document, ...specs: Document[]) {
  const catalog = new CollectionCatalog();
  catalog.add('u', raw(options), specs.map(raw));
  return catalog;
}
const indexes = (catalog: CollectionCatalog) =>
  [...(catalog.get('u')?.indexes.values() ?? [])].map((spec) => BSON.deserialize(spec));
const options = (catalog: CollectionCatalog) => BSON.deserialize(catalog.get('u')?.options ?? raw({}));

describe('the catalogue of indexes and options', () => {
  it('keeps the bytes of specs that nothing changed', () => {
    const catalog = catalogOf({}, idIndex);
    catalog.createIndex('u', raw(b));
    catalog.createIndex('u', raw(b));
    expect([...(catalog.get('u')?.indexes.values() ?? [])]).toEqual([raw(idIndex), raw(b)]);
  });

  it('drops an index by name, and all but _id_ by *', () => {
    const catalog = catalogOf({}, idIndex, a, b);
    catalog.dropIndex('u', 'a');
    expect(indexes(catalog)).toEqual([idIndex, b]);
    catalog.dropIndex('u', 'not there');
    catalog.dropIndex('u', '*');
    expect(indexes(catalog)).toEqual([idIndex]);
  });

  it('changes an index by name or by key pattern, each field at its place', () => {
    const catalog = catalogOf({}, idIndex, a, b);
    catalog.modify('u', raw({ collMod: 'c', index: { name: 'a', expireAfterSeconds: 20 } }));
    catalog.modify('u', raw({ collMod: 'c', index: { keyPattern: { b: 1, 0: 1 }, hidden: true } }));
    expect(indexes(catalog)).toEqual([idIndex, { ...a, expireAfterSeconds: 20 }, { ...b, hidden: true }]);
    catalog.modify('u', raw({ collMod: 'c', index: { name: 'b', hidden: false } }));
    expect(indexes(catalog)[2]).toEqual(b);
  });

  it('turns prepareUnique into unique', () => {
    const catalog = catalogOf({}, b);
    catalog.modify('u', raw({ collMod: 'c', index: { name: 'b', prepareUnique: true } }));
    expect(indexes(catalog)).toEqual([{ ...b, prepareUnique: true }]);
    catalog.modify('u', raw({ collMod: 'c', index: { name: 'b', unique: true } }));
    expect(indexes(catalog)).toEqual([{ ...b, unique: true }]);
  });

  it('follows options, and remembers which ones a collMod set', () => {
    const catalog = catalogOf({ validator: { a: 1 }, expireAfterSeconds: 5 });
    catalog.modify('u', raw({ collMod: 'c', validator: { b: 1 }, expireAfterSeconds: 'off' }));
    expect(options(catalog)).toEqual({ validator: { b: 1 } });
    expect([...(catalog.get('u')?.modified ?? [])]).toEqual(['validator', 'expireAfterSeconds']);
    catalog.modify('u', raw({ collMod: 'c', expireAfterSeconds: 7 }));
    expect(options(catalog)).toEqual({ validator: { b: 1 }, expireAfterSeconds: 7 });
  });

  it('ends what was temporary with its rename', () => {
    const catalog = catalogOf({ temp: true, capped: true });
    catalog.endTemporary('u');
    expect(options(catalog)).toEqual({ capped: true });
  });

  it('ignores a second create of what the base holds, and everything about what is not there', () => {
    const catalog = catalogOf({ capped: true }, a);
    catalog.add('u', raw({}), []);
    expect(indexes(catalog)).toEqual([a]);
    catalog.createIndex('other', raw(a));
    catalog.remove('u');
    catalog.modify('u', raw({ collMod: 'c', index: { name: 'a', hidden: true } }));
    expect(catalog.get('u')).toBeUndefined();
  });
});

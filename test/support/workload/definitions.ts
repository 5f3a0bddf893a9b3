import type { CreateIndexesOptions, Document, IndexSpecification } from 'mongodb';
import { type Maker, placeOf, someName, somePlace } from './operation.ts';

type Definition = readonly [IndexSpecification, CreateIndexesOptions];

const definitions: readonly [Definition, ...Definition[]] = [
  [{ n: 1 }, { name: 'n' }],
  [{ n: -1, 'nested.a.b': 1 }, { name: 'n' }],
  [{ 'list.v': 1 }, { name: 'list', sparse: true }],
  [{ text: 'text' }, { name: 'text' }],
  [{ n: 'hashed' }, { name: 'hashed' }],
  [{ '$**': 1 }, { name: 'wildcard', wildcardProjection: { nested: 1 } }],
  [{ text: 1 }, { name: 'collated', collation: { locale: 'de', strength: 1 } }],
  [{ n: 1 }, { name: 'partial', partialFilterExpression: { n: { $gt: 500 } } }],
  [
    { n: 1, text: 1 },
    { name: 'unique', unique: true },
  ],
  [{ bulk: 1 }, { name: 'bulk', hidden: true }],
  [{ at: 1 }, { name: 'expiry', expireAfterSeconds: 1_000_000 }],
  [{ at: 1 }, { name: 'expiry', expireAfterSeconds: 2_000_000, sparse: true }],
];

const createIndex: Maker = (world, random) => {
  const { collection, ns } = somePlace(world, random);
  const [key, options] = random.pick(definitions);
  return {
    kind: 'createIndex',
    detail: `${ns} ${JSON.stringify(options)}`,
    run: () => collection.createIndex(key, options, {}),
  };
};

/** One build, one entry, several indexes. */
const createSeveral: Maker = (world, random) => {
  const { db, name, ns } = somePlace(world, random);
  const some = [random.pick(definitions), random.pick(definitions), random.pick(definitions)];
  const indexes = [...new Map(some.map(([key, options]) => [options.name, { key, ...options }])).values()];
  return {
    kind: 'createIndexes',
    detail: `${ns} ${JSON.stringify(indexes.map((index) => index.name))}`,
    run: () => db.command({ createIndexes: name, indexes }),
  };
};

/** On a collection that has documents with the same value: the build starts and aborts. */
const failToBuild: Maker = ({ client }, random) => {
  const { collection, ns } = placeOf(client, random.pick(['x', 'y']), 'duplicates');
  const [id, name] = [random.below(50), `never ${random.below(3)}`];
  const run = async () => {
    await collection.updateOne({ _id: id }, { $set: { k: 1, n: id } }, { upsert: true });
    await collection.updateOne({ _id: id + 1 }, { $set: { k: 1 } }, { upsert: true });
    await collection.createIndex({ k: 1 }, { name, unique: true }, {}).catch(() => undefined);
  };
  return { kind: 'abortedIndexBuild', detail: `${ns} ${id}`, run };
};

const dropIndex: Maker = (world, random) => {
  const { collection, ns } = somePlace(world, random);
  const [, { name = '' }] = random.pick(definitions);
  const all = random.below(6) === 0;
  return {
    kind: 'dropIndex',
    detail: `${ns} ${all ? '*' : name}`,
    run: () => (all ? collection.dropIndexes() : collection.dropIndex(name)),
  };
};

const modifyIndex: Maker = (world, random) => {
  const { db, name, ns } = somePlace(world, random);
  const index = random.pick<Document>([
    { name: 'expiry', expireAfterSeconds: 3_000_000 + random.below(1000) },
    { keyPattern: { at: 1 }, expireAfterSeconds: 4_000_000 },
    // Makes one that expires of one that did not.
    { keyPattern: { bulk: 1 }, expireAfterSeconds: 5_000_000 },
    { name: 'n', hidden: random.below(2) === 0 },
    { name: 'bulk', hidden: false },
    { name: 'list', hidden: true },
    { name: 'n', prepareUnique: true },
    { name: 'n', prepareUnique: false },
    { name: 'n', unique: true },
  ]);
  return {
    kind: 'modifyIndex',
    detail: `${ns} ${JSON.stringify(index)}`,
    run: () => db.command({ collMod: name, index }),
  };
};

const modifyValidator: Maker = (world, random) => {
  const { db, name, ns } = somePlace(world, random);
  const change = random.pick<Document>([
    { validator: { n: { $type: 'number' } } },
    { validator: { $expr: { $lt: ['$n', 700] } }, validationLevel: 'moderate' },
    { validator: {}, validationLevel: 'off' },
    { validationAction: 'warn' },
    { changeStreamPreAndPostImages: { enabled: random.below(2) === 0 } },
  ]);
  return {
    kind: 'modifyCollection',
    detail: `${ns} ${JSON.stringify(change)}`,
    run: () => db.command({ collMod: name, ...change }),
  };
};

/** Documents that the validator of the moment would refuse. */
const insertInvalid: Maker = (world, random) => {
  const { collection, ns } = somePlace(world, random);
  const id = 3000 + random.below(40);
  return {
    kind: 'insertInvalid',
    detail: `${ns} ${id}`,
    run: () => collection.replaceOne({ _id: id }, { n: 'no number' }, { upsert: true, bypassDocumentValidation: true }),
  };
};

const view: Maker = ({ client }, random) => {
  const { db } = placeOf(client, random.pick(['x', 'y']), '');
  const [name, on, limit] = [`view${random.below(4)}`, someName(random), random.below(100)];
  const kind = random.pick(['create', 'create', 'change', 'drop']);
  const pipeline = [{ $match: { n: limit } }];
  const run = (): Promise<unknown> => {
    if (kind === 'create') return db.createCollection(name, { viewOn: on, pipeline });
    if (kind === 'change') return db.command({ collMod: name, viewOn: on, pipeline });
    return db.dropCollection(name);
  };
  return { kind: `${kind}View`, detail: `${db.databaseName}.${name} on ${on} ${limit}`, run };
};

/** The source deletes these by itself, as long as its TTL monitor runs. */
const expire: Maker = ({ client }, random) => {
  const { collection, ns } = placeOf(client, 'x', 'expiring');
  const [id, old] = [random.below(60), random.below(2) === 0];
  const run = async () => {
    if (id < 6) await collection.createIndex({ at: 1 }, { name: 'at', expireAfterSeconds: 3600 }, {});
    const at = new Date(Date.now() - (old ? 7_200_000 : 0));
    await collection.replaceOne({ _id: id }, { at }, { upsert: true });
  };
  return { kind: 'expire', detail: `${ns} ${id} ${old ? 'old' : 'new'}`, run };
};

export const definitionOperations: readonly (readonly [Maker, number])[] = [
  [createIndex, 8],
  [createSeveral, 2],
  [failToBuild, 2],
  [dropIndex, 4],
  [modifyIndex, 4],
  [modifyValidator, 3],
  [insertInvalid, 2],
  [view, 5],
  [expire, 3],
];

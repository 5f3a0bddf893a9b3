import type { Document } from 'mongodb';
import { type Maker, placeOf, someFields } from './operation.ts';

const fieldsOf = (count: number, make: (n: number) => Document): Document[] =>
  Array.from({ length: count }, (_, n) => make(n));

const someExpiry = (value: number) => (value % 3 === 0 ? 'off' : 1_000_000_000 + value);

const timeSeries: Maker = ({ client }, random) => {
  const { db, name, ns, collection } = placeOf(client, random.pick(['x', 'y']), `series${random.below(2)}`);
  const [meta, from, value] = [random.below(4), random.below(500), random.below(100)];
  const kind = random.pick([
    'insert',
    'insert',
    'insert',
    'insert',
    'update',
    'delete',
    'modify',
    'drop',
    'index',
    'create',
  ]);
  const measurements = fieldsOf(1 + random.below(20), (n) => ({
    at: new Date(Date.UTC(2026, 0, 1, 0, from + n)),
    m: { sensor: meta },
    v: value,
    ...(n % 3 === 0 ? { extra: 'x'.repeat(n) } : {}),
  }));
  const runs: Record<string, () => Promise<unknown>> = {
    create: () =>
      db.createCollection(name, {
        timeseries: { timeField: 'at', metaField: 'm', granularity: 'seconds' },
        ...(value < 50 ? { expireAfterSeconds: 1_000_000_000 } : {}),
      }),
    insert: () => collection.insertMany(measurements),
    update: () => collection.updateMany({ 'm.sensor': meta }, { $set: { 'm.changed': value } }),
    delete: () => collection.deleteMany({ 'm.sensor': meta }),
    modify: () =>
      db.command({
        collMod: name,
        ...(value < 30 ? { timeseries: { granularity: 'minutes' } } : { expireAfterSeconds: someExpiry(value) }),
      }),
    drop: () => db.dropCollection(name),
    index: () => collection.createIndex({ 'm.sensor': 1, at: value < 50 ? 1 : -1 }),
  };
  return {
    kind: `${kind}TimeSeries`,
    detail: `${ns} meta ${meta} from ${from} value ${value}`,
    run: () => runs[kind]?.() ?? Promise.resolve(),
  };
};

/** Rolls by number of documents (`ring0`) and by size (`ring1`). */
const capped: Maker = ({ client }, random) => {
  const ring = random.below(2);
  const { collection, ns } = placeOf(client, random.pick(['x', 'y']), `ring${ring}`);
  const [first, count, size] = [random.below(1_000_000_000), 1 + random.below(12), random.below(300)];
  const documents = fieldsOf(count, (n) => ({ _id: first + n, n, body: 'r'.repeat(size + 40 * (n % 5)) }));
  return {
    kind: 'rollCapped',
    detail: `${ns} ${first} ${count} of ${size}`,
    run: () => collection.insertMany(documents),
  };
};

/** Of the oldest and of the newest documents; `body` keeps or changes its length. */
const updateCapped: Maker = ({ client }, random) => {
  const { collection, ns } = placeOf(client, random.pick(['x', 'y']), `ring${random.below(2)}`);
  const [direction, value] = [random.pick([1, -1] as const), random.below(100)];
  const run = async () => {
    const [found] = await collection.find().sort({ $natural: direction }).limit(1).toArray();
    if (found) await collection.updateOne({ _id: found._id }, { $set: { n: value } });
  };
  return { kind: 'updateCapped', detail: `${ns} ${direction} ${value}`, run };
};

const reinsertCapped: Maker = ({ client }, random) => {
  const { collection, ns } = placeOf(client, random.pick(['x', 'y']), `ring${random.below(2)}`);
  const [skip, value] = [random.below(12), random.below(100)];
  const run = async () => {
    const [found] = await collection.find().skip(skip).limit(1).toArray();
    if (!found) return;
    await collection.deleteOne({ _id: found._id });
    await collection.insertOne({ ...found, n: value });
  };
  return { kind: 'reinsertCapped', detail: `${ns} ${skip} ${value}`, run };
};

const limitCapped: Maker = ({ client }, random) => {
  const { db, name, ns } = placeOf(client, random.pick(['x', 'y']), `ring${random.below(2)}`);
  const limits =
    random.below(2) === 0 ? { cappedSize: 4096 * (1 + random.below(8)) } : { cappedMax: 5 + random.below(30) };
  return {
    kind: 'limitCapped',
    detail: `${ns} ${JSON.stringify(limits)}`,
    run: () => db.command({ collMod: name, ...limits }),
  };
};

const clustered: Maker = ({ client }, random) => {
  const { db, name, ns, collection } = placeOf(client, random.pick(['x', 'y']), `clustered${random.below(2)}`);
  const [id, fields] = [random.below(40), someFields(random)];
  const kind = random.pick(['insert', 'insert', 'update', 'delete', 'index', 'modify', 'recreate']);
  const runs: Record<string, () => Promise<unknown>> = {
    insert: () => collection.insertOne({ _id: id, ...fields }),
    update: () => collection.updateOne({ _id: id }, { $set: fields }, { upsert: id % 2 === 0 }),
    delete: () => collection.deleteMany({ _id: { $gte: id, $lt: id + 4 } }),
    index: () => collection.createIndex({ n: 1 }),
    modify: () => db.command({ collMod: name, expireAfterSeconds: someExpiry(id) }),
    recreate: async () => {
      await db.dropCollection(name).catch(() => undefined);
      await db.createCollection(name, {
        clusteredIndex: { key: { _id: 1 }, unique: true, ...(id % 2 === 0 ? { name: 'own name' } : {}) },
        ...(id % 3 === 0 ? { expireAfterSeconds: 1_000_000_000 } : {}),
      });
    },
  };
  return { kind: `${kind}Clustered`, detail: `${ns} ${id}`, run: () => runs[kind]?.() ?? Promise.resolve() };
};

export const specialOperations: readonly (readonly [Maker, number])[] = [
  [timeSeries, 7],
  [capped, 6],
  [updateCapped, 2],
  [reinsertCapped, 2],
  [limitCapped, 1],
  [clustered, 4],
];

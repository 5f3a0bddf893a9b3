import type { CreateCollectionOptions } from 'mongodb';
import type { Random } from '../../../local/demo/random.ts';
import { type Maker, placeOf, someFields, someName, somePlace, type World } from './operation.ts';

function someOptions(random: Random): CreateCollectionOptions {
  return random.pick<CreateCollectionOptions>([
    {},
    {},
    { collation: { locale: 'sv', strength: 2 } },
    { validator: { n: { $type: 'number' } }, validationAction: 'warn' },
    { validator: { $or: [{ n: { $gte: 500 } }, { bulk: true }] }, validationLevel: 'moderate' },
    { changeStreamPreAndPostImages: { enabled: true } },
    { storageEngine: { wiredTiger: { configString: 'block_compressor=zlib' } } },
    { indexOptionDefaults: { storageEngine: { wiredTiger: {} } } },
  ]);
}

const create: Maker = (world, random) => {
  const { db, name, ns } = somePlace(world, random);
  const options = someOptions(random);
  return { kind: 'create', detail: `${ns} ${JSON.stringify(options)}`, run: () => db.createCollection(name, options) };
};

const drop: Maker = (world, random) => {
  const { db, name, ns } = somePlace(world, random);
  return { kind: 'drop', detail: ns, run: () => db.dropCollection(name) };
};

/** Another collection of the same name, at once. */
const recreate: Maker = (world, random) => {
  const { db, name, ns, collection } = somePlace(world, random);
  const [options, fields, count] = [someOptions(random), someFields(random), 1 + random.below(40)];
  const run = async () => {
    await db.dropCollection(name);
    await db.createCollection(name, options);
    const documents = Array.from({ length: count }, (_, n) => ({ _id: n, ...fields }));
    await collection.insertMany(documents, { ordered: false, bypassDocumentValidation: true });
  };
  return { kind: 'recreate', detail: `${ns} ${JSON.stringify(options)} ${count}`, run };
};

const rename: Maker = (world, random) => {
  const { db, name, ns } = somePlace(world, random);
  const to = random.below(2) === 0 ? someName(random) : `renamed${random.below(4)}`;
  return { kind: 'rename', detail: `${ns} to ${to}`, run: () => db.renameCollection(name, to) };
};

const renameBack: Maker = (world, random) => {
  const { db, name, ns } = somePlace(world, random);
  const from = `renamed${random.below(4)}`;
  return { kind: 'renameBack', detail: `${from} to ${ns}`, run: () => db.renameCollection(from, name) };
};

const renameOver: Maker = (world, random) => {
  const { db, name, ns } = somePlace(world, random);
  const to = someName(random);
  return {
    kind: 'renameOver',
    detail: `${ns} over ${to}`,
    run: () => db.renameCollection(name, to, { dropTarget: true }),
  };
};

const swap: Maker = (world, random) => {
  const { db, name, ns } = somePlace(world, random);
  const [other, passing] = [someName(random), `passing${random.below(2)}`];
  const run = async () => {
    await db.renameCollection(name, passing);
    await db.renameCollection(other, name);
    await db.renameCollection(passing, other);
  };
  return { kind: 'swap', detail: `${ns} and ${other} by ${passing}`, run };
};

const chain: Maker = (world, random) => {
  const { db, name, ns } = somePlace(world, random);
  const names = [someName(random), someName(random), someName(random)];
  const run = async () => {
    let from = name;
    for (const to of names) {
      await db.renameCollection(from, to, { dropTarget: true });
      from = to;
    }
  };
  return { kind: 'renameChain', detail: `${ns} to ${names.join(', ')}`, run };
};

const renameAcross: Maker = ({ client }, random) => {
  const [from, to] = [random.pick(['x', 'y']), random.pick(['y', 'gone', 'x'])];
  const [name, other] = [someName(random), someName(random)];
  const command = { renameCollection: `${from}.${name}`, to: `${to}.${other}`, dropTarget: random.below(2) === 0 };
  return {
    kind: 'renameAcross',
    detail: JSON.stringify(command),
    run: () => client.db('admin').command(command),
  };
};

const out: Maker = (world, random) => {
  const { collection, ns } = somePlace(world, random);
  const target = { db: random.pick(['x', 'y']), coll: random.below(2) === 0 ? someName(random) : 'out' };
  const pipeline = [{ $match: { n: { $lt: 600 } } }, { $set: { out: true } }, { $out: target }];
  return {
    kind: 'out',
    detail: `${ns} to ${target.db}.${target.coll}`,
    run: () => collection.aggregate(pipeline).toArray(),
  };
};

const merge: Maker = (world, random) => {
  const { collection, ns } = somePlace(world, random);
  const into = { db: random.pick(['x', 'y']), coll: random.below(2) === 0 ? someName(random) : 'merged' };
  const whenMatched = random.pick(['merge', 'replace', 'keepExisting'] as const);
  const pipeline = [{ $match: { n: { $gt: 400 } } }, { $limit: 30 }, { $merge: { into, whenMatched } }];
  return {
    kind: 'merge',
    detail: `${ns} to ${into.db}.${into.coll} ${whenMatched}`,
    run: () => collection.aggregate(pipeline).toArray(),
  };
};

const dropDatabase: Maker = ({ client }: World) => ({
  kind: 'dropDatabase',
  detail: 'gone',
  run: () => client.db('gone').dropDatabase(),
});

const toCapped: Maker = (world, random) => {
  const { db, name, ns } = somePlace(world, random);
  const size = 4096 * (1 + random.below(40));
  return { kind: 'convertToCapped', detail: `${ns} ${size}`, run: () => db.command({ convertToCapped: name, size }) };
};

/** Many small ones, so that the dump has much to list. */
const passing: Maker = ({ client }, random) => {
  const { db, name, ns, collection } = placeOf(client, random.pick(['x', 'y', 'gone']), `many${random.below(10)}`);
  const [drops, fields] = [random.below(3) === 0, someFields(random)];
  const run = () => (drops ? db.dropCollection(name) : collection.insertMany([{ ...fields }, { ...fields }]));
  return { kind: drops ? 'dropPassing' : 'makePassing', detail: ns, run };
};

export const namespaceOperations: readonly (readonly [Maker, number])[] = [
  [create, 4],
  [drop, 2],
  [recreate, 3],
  [rename, 3],
  [renameBack, 2],
  [renameOver, 2],
  [swap, 2],
  [chain, 1],
  [renameAcross, 2],
  [out, 2],
  [merge, 2],
  [dropDatabase, 1],
  [toCapped, 1],
  [passing, 3],
];

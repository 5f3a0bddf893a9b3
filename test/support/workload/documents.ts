import type { Document } from 'mongodb';
import type { Random } from '../../../local/demo/random.ts';
import { type Maker, placeOf, someFields, someId, somePlace, type World } from './operation.ts';

const json = (value: unknown): string => JSON.stringify(value).slice(0, 160);

function someUpdate(random: Random): Document {
  const updates: readonly [Document, ...Document[]] = [
    { $set: { n: random.below(1000), [`added${random.below(4)}`]: random.below(9) } },
    { $inc: { n: 1, 'nested.a.b': 2 } },
    { $push: { list: { $each: [{ n: random.below(9) }], $slice: -4 } } },
    { $set: { [`list.${random.below(3)}.v`]: random.below(99) } },
    { $unset: { text: 1, [`added${random.below(4)}`]: 1 } },
    { $set: { [`nested.a.c${random.below(3)}`]: [random.below(9)], 'nested.7': 1 } },
    { $set: { shape: random.below(2) === 0 ? 'text' : [1, [2, random.below(9)]] } },
    { $pull: { list: { n: { $lt: random.below(4) } } } },
  ];
  return random.pick(updates);
}

const insert: Maker = (world, random) => {
  const { collection, ns } = somePlace(world, random);
  const documents = Array.from({ length: 1 + random.below(8) }, () => ({
    _id: someId(random),
    ...someFields(random),
  }));
  return {
    kind: 'insert',
    detail: `${ns} ${json(documents.map(({ _id }) => _id))}`,
    run: () => collection.insertMany(documents, { ordered: false }),
  };
};

const update: Maker = (world, random) => {
  const { collection, ns } = somePlace(world, random);
  const [id, change, upsert] = [someId(random), someUpdate(random), random.below(4) === 0];
  return {
    kind: 'update',
    detail: `${ns} ${json(id)} ${json(change)}${upsert ? ' upsert' : ''}`,
    run: () => collection.updateOne({ _id: id }, change, { upsert }),
  };
};

const updateMany: Maker = (world, random) => {
  const { collection, ns } = somePlace(world, random);
  const [from, change] = [random.below(200), someUpdate(random)];
  const pipeline = [{ $set: { copied: '$n', n: { $add: [{ $ifNull: ['$n', 0] }, 1] } } }, { $unset: 'text' }];
  const chosen = random.below(3) === 0 ? pipeline : change;
  return {
    kind: 'updateMany',
    detail: `${ns} from ${from} ${json(chosen)}`,
    run: () => collection.updateMany({ _id: { $gte: from, $lt: from + 12 } }, chosen),
  };
};

const replace: Maker = (world, random) => {
  const { collection, ns } = somePlace(world, random);
  const [id, fields] = [someId(random), someFields(random)];
  return {
    kind: 'replace',
    detail: `${ns} ${json(id)}`,
    run: () => collection.replaceOne({ _id: id }, fields, { upsert: true }),
  };
};

const remove: Maker = (world, random) => {
  const { collection, ns } = somePlace(world, random);
  const id = someId(random);
  const many = random.below(5) === 0 ? { _id: { $gte: random.below(900), $lt: 900 + random.below(600) } } : { _id: id };
  return { kind: 'delete', detail: `${ns} ${json(many)}`, run: () => collection.deleteMany(many) };
};

/** The same key again at once: an update of the first document, replayed over the second, must not survive. */
const reinsert: Maker = (world, random) => {
  const { collection, ns } = somePlace(world, random);
  const [id, first, second, change] = [someId(random), someFields(random), someFields(random), someUpdate(random)];
  return {
    kind: 'reinsert',
    detail: `${ns} ${json(id)} ${json(change)}`,
    run: () =>
      collection.bulkWrite([
        { replaceOne: { filter: { _id: id }, replacement: first, upsert: true } },
        { updateOne: { filter: { _id: id }, update: change } },
        { deleteOne: { filter: { _id: id } } },
        { insertOne: { document: { _id: id, ...second } } },
      ]),
  };
};

const findAndModify: Maker = (world, random) => {
  const { collection, ns } = somePlace(world, random);
  const [id, change, kind] = [someId(random), someUpdate(random), random.below(3)];
  const run = () => {
    if (kind === 0) return collection.findOneAndDelete({ _id: id });
    if (kind === 1) return collection.findOneAndReplace({ _id: id }, { replaced: true }, { upsert: true });
    return collection.findOneAndUpdate({ _id: id }, change, { returnDocument: 'after' });
  };
  return { kind: 'findAndModify', detail: `${ns} ${json(id)} ${kind}`, run };
};

/** Unique keys move from document to document. */
const churnUnique: Maker = ({ client }: World, random) => {
  const { collection, ns } = placeOf(client, random.pick(['x', 'y']), 'unique');
  const [k, p, id] = [random.below(12), random.below(12), 1_000_000 + random.below(1_000_000)];
  const move = random.below(3);
  const run = async () => {
    if (move === 0) {
      await collection.deleteOne({ k });
      return collection.insertOne({ _id: id, k, p, list: [k, p] });
    }
    if (move === 1) return collection.updateOne({ k }, { $set: { k: p, p: k } });
    await collection.updateOne({ k }, { $set: { k: -id } });
    return collection.updateOne({ k: p }, { $set: { k } });
  };
  return { kind: 'churnUnique', detail: `${ns} k ${k} p ${p} id ${id} move ${move}`, run };
};

/** Many small documents, so that a scan takes several batches and the oplog several slices' worth of pages. */
const bulk: Maker = (world, random) => {
  const { collection, ns } = somePlace(world, random);
  const from = random.below(1500);
  const documents = Array.from({ length: 300 }, (_, n) => ({ _id: from + n, n, bulk: true }));
  return {
    kind: 'bulk',
    detail: `${ns} from ${from}`,
    run: () => collection.insertMany(documents, { ordered: false }),
  };
};

const systemJs: Maker = ({ client }, random) => {
  const { collection, ns } = placeOf(client, 'x', 'system.js');
  const [id, value] = [`f${random.below(3)}`, random.below(99)];
  const run = () =>
    value < 30 ? collection.deleteOne({ _id: id }) : collection.replaceOne({ _id: id }, { value }, { upsert: true });
  return { kind: 'systemJs', detail: `${ns} ${id} ${value}`, run };
};

export const documentOperations: readonly (readonly [Maker, number])[] = [
  [insert, 14],
  [update, 14],
  [updateMany, 5],
  [replace, 6],
  [remove, 8],
  [reinsert, 8],
  [findAndModify, 5],
  [churnUnique, 10],
  [bulk, 2],
  [systemJs, 1],
];

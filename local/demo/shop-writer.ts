import type { Db, MongoClient } from 'mongodb';
import { setTimeout as delay } from 'node:timers/promises';
import { makeRandom, type Random } from './random.ts';
import { shopName } from './seed-shop.ts';
import { makeEvent, makeMeasurement, makeOrder } from './shop-documents.ts';

/** The application of the demo: it writes, of every kind and without a pause, until it is stopped. */
export interface ShopWriter {
  readonly counters: Readonly<Record<Kind, number>>;
  /** All writes so far. */
  total(): number;
  /** When it has stopped; rejected with what a write failed with. */
  readonly ended: Promise<unknown>;
  /** Waits for the writes under way. @throws what a write failed with. */
  stop(): Promise<void>;
}

const kinds = [
  'inserts',
  'updates',
  'deletes',
  'upserts',
  'transactions',
  'unique keys reused',
  'index changes',
] as const;
export type Kind = (typeof kinds)[number];

interface Shift {
  readonly client: MongoClient;
  readonly shop: Db;
  readonly random: Random;
  readonly counters: Record<Kind, number>;
  /** A number that nobody had before. */
  readonly next: () => number;
}

type Deed = (shift: Shift) => Promise<void>;

const insert: Deed = async ({ shop, random, counters, next }) => {
  const n = next();
  await shop
    .collection('orders')
    .insertMany([makeOrder(random, n), makeOrder(random, n + 1), makeOrder(random, n + 2)]);
  await shop.collection('events').insertOne(makeEvent(random, n));
  await shop.collection('climate').insertOne(makeMeasurement(random, n));
  counters.inserts += 5;
};

const update: Deed = async ({ shop, random, counters }) => {
  const customer = random.below(5000);
  const change = { $set: { status: 'sent', sentAt: new Date() }, $push: { history: { at: new Date() } } };
  const { modifiedCount } = await shop.collection('orders').updateMany({ customer }, change as object);
  await shop.collection<{ _id: number }>('stock').updateOne({ _id: random.below(2000) }, { $inc: { left: -1 } });
  counters.updates += modifiedCount + 1;
};

const remove: Deed = async ({ shop, random, counters }) => {
  const { deletedCount } = await shop.collection('orders').deleteOne({ customer: random.below(5000) });
  counters.deletes += deletedCount;
};

const upsert: Deed = async ({ shop, random, counters }) => {
  const cart = { $set: { touchedAt: new Date(), [`items.${random.below(3)}`]: random.below(2000) } };
  await shop.collection<{ _id: number }>('carts').updateOne({ _id: random.below(2000) }, cart, { upsert: true });
  counters.upserts += 1;
};

const transfer: Deed = async ({ client, shop, random, counters, next }) => {
  const amount = 1 + random.below(20);
  const accounts = shop.collection<{ _id: number; balance: number }>('accounts');
  const [from, to] = [random.below(200), random.below(200)];
  await client.withSession((session) =>
    session.withTransaction(async () => {
      await accounts.updateOne({ _id: from }, { $inc: { balance: -amount } }, { session });
      await accounts.updateOne({ _id: to }, { $inc: { balance: amount } }, { session });
      await shop
        .collection<{ _id: number }>('transfers')
        .insertOne({ _id: next(), from, to, amount } as object as { _id: number }, { session });
    }),
  );
  counters.transactions += 1;
};

/** The same unique key under another _id: what a naive replay stumbles over. */
const reuseKey: Deed = async ({ shop, random, counters, next }) => {
  const code = `v-${random.below(300)}`;
  const { deletedCount } = await shop.collection('vouchers').deleteOne({ code });
  if (deletedCount === 0) return;
  await shop.collection('vouchers').insertOne({ code, generation: next() });
  counters['unique keys reused'] += 1;
};

const deeds: readonly [Deed, ...Deed[]] = [insert, insert, update, update, remove, upsert, transfer, reuseKey];

const work: Deed = (shift) => shift.random.pick(deeds)(shift);

const changeIndex: Deed = async ({ shop, counters }) => {
  await shop.collection('orders').createIndexes([{ key: { note: 1 }, name: 'passing' }]);
  counters['index changes'] += 1;
  await delay(700);
  await shop.collection('orders').dropIndex('passing');
  counters['index changes'] += 1;
  await delay(700);
};

export interface WriterOptions {
  /** How many write at the same time. */
  readonly lanes?: number;
  /** Milliseconds of rest after each deed of a lane. */
  readonly restMs?: number;
  /** Of the orders; a second writer takes one beyond the first's. */
  readonly firstNumber?: number;
}

export function startShopWriter(client: MongoClient, options: WriterOptions = {}): ShopWriter {
  const counters = Object.fromEntries(kinds.map((kind) => [kind, 0])) as Record<Kind, number>;
  let number = options.firstNumber ?? 1_000_000;
  let stopped = false;
  const next = () => (number += 10);
  const lane = async (deed: Deed, seed: number, restMs: number) => {
    const shift = { client, shop: client.db(shopName), random: makeRandom(seed), counters, next };
    while (!stopped) {
      await deed(shift);
      await delay(restMs);
    }
  };
  const { lanes = 3, restMs = 5 } = options;
  const running = [...Array.from({ length: lanes }, (_, n) => lane(work, n + 1, restMs)), lane(changeIndex, 0, 0)];
  const ended = Promise.all(running);
  ended.catch(() => {
    stopped = true;
  });
  return {
    counters,
    ended,
    total: () => Object.values(counters).reduce((sum, count) => sum + count, 0),
    async stop() {
      stopped = true;
      await Promise.allSettled(running);
      await ended;
    },
  };
}

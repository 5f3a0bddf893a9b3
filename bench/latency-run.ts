import { setTimeout as delay } from 'node:timers/promises';
import { MongoClient } from 'mongodb';

/**
 * An application beside a backup, in a process of its own: writes and reads at a fixed rate, each timed from when it was due,
 * so that one which waits for its turn counts as slow. Begins to count at the message `begin`; answers `end` with the figures.
 */
const perSecond = 50;
const [uri = ''] = process.argv.slice(2);
const client = await MongoClient.connect(uri, { maxPoolSize: 50 });
const collection = client.db('application').collection<{ _id: string; n: number; text: string }>('orders');
const text = 'x'.repeat(300);
let next = 0;

const key = (n: number): string => `${process.pid}-${n}`;
const insert = async (writeConcern: { w: 1 | 'majority' }): Promise<void> => {
  const n = (next += 1);
  await collection.insertOne({ _id: key(n), n, text }, { writeConcern });
};
const kinds = {
  'write w:1': () => insert({ w: 1 }),
  'write w:majority': () => insert({ w: 'majority' }),
  read: () => collection.findOne({ _id: key(1 + Math.floor(next / 2)) }),
} as const;

type Kind = keyof typeof kinds;
const latencies: Record<Kind, number[]> = { 'write w:1': [], 'write w:majority': [], read: [] };
let running = true;

async function keepDoing(kind: Kind, underWay: Set<Promise<void>>): Promise<void> {
  for (let due = performance.now(); running; due += 1000 / perSecond) {
    await delay(Math.max(0, due - performance.now()));
    const planned = due;
    const one = kinds[kind]().then(() => {
      underWay.delete(one);
      latencies[kind].push(performance.now() - planned);
    });
    underWay.add(one);
  }
}

const figures = (values: number[]) => {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? NaN;
  return { p50: at(0.5), p99: at(0.99), most: sorted.at(-1) ?? NaN, count: sorted.length };
};

const underWay = new Set<Promise<void>>();
process.on('message', (message) => {
  if (message === 'end') {
    process.send?.(Object.fromEntries(Object.entries(latencies).map(([kind, values]) => [kind, figures(values)])));
  }
  for (const values of Object.values(latencies)) values.length = 0;
});
process.once('disconnect', () => {
  running = false;
});
process.send?.('ready');
await Promise.all((Object.keys(kinds) as Kind[]).map((kind) => keepDoing(kind, underWay)));
await Promise.all(underWay);
await client.close();

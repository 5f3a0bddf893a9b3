import type { Document, MongoClient } from 'mongodb';

/**
 * The shapes of design/engine.md: many small documents, fewer middling ones, some large ones; indexes of several kinds, a
 * capped and a time-series collection. Deterministic, and compressible about as much as business data is.
 */
export interface DataSetSize {
  readonly small: number;
  readonly middling: number;
  readonly large: number;
}

/** Scale 1 is about 1.85 GB of BSON. */
export function sizeAt(scale: number): DataSetSize {
  return {
    small: Math.round(3_000_000 * scale),
    middling: Math.round(300_000 * scale),
    large: Math.round(200 * scale),
  };
}

const words =
  'order customer street invoice paid sent parcel return blue green large small north harbour station'.split(' ');

/** A linear congruential generator: the same data every time. */
function random(seed: number): () => number {
  let state = seed >>> 0;
  return () => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0);
}

function text(next: () => number, length: number): string {
  let out = '';
  while (out.length < length)
    out += `${words[next() % words.length] ?? ''}${next() % 4 === 0 ? String(next() % 9999) : ''} `;
  return out.slice(0, length);
}

function small(n: number, next: () => number): Document {
  return {
    _id: n,
    customer: next() % 50_000,
    status: words[next() % 4],
    total: (next() % 100_000) / 100,
    at: new Date(1_700_000_000_000 + n * 1000),
    note: text(next, 90),
    tag: `t${next() % 100}`,
  };
}

function middling(n: number, next: () => number): Document {
  const lines = Array.from({ length: 20 }, () => ({
    article: next() % 10_000,
    text: text(next, 80),
    price: next() % 1000,
  }));
  return { _id: n, customer: `c-${next() % 50_000}`, lines, note: text(next, 700) };
}

async function fill(
  client: MongoClient,
  name: string,
  count: number,
  batch: number,
  make: (n: number, next: () => number) => Document,
): Promise<void> {
  const collection = client.db('bench').collection(name);
  const next = random(count);
  for (let at = 0; at < count; at += batch) {
    const documents = Array.from({ length: Math.min(batch, count - at) }, (_, n) => make(at + n, next));
    await collection.insertMany(documents, { ordered: false });
  }
}

/** Fills an empty deployment. @param log told what is being made */
export async function fillDataSet(client: MongoClient, size: DataSetSize, log: (line: string) => void): Promise<void> {
  const db = client.db('bench');
  log(`${size.small} small documents`);
  await db.collection('small').createIndexes([{ key: { customer: 1 } }, { key: { status: 1, at: -1 } }]);
  await fill(client, 'small', size.small, 20_000, small);
  log(`${size.middling} middling documents`);
  await db.collection('middling').createIndexes([{ key: { customer: 1 } }, { key: { 'lines.article': 1 } }]);
  await fill(client, 'middling', size.middling, 2000, middling);
  log(`${size.large} large documents, special collections`);
  await fill(client, 'large', size.large, 10, (n, next) => ({ _id: n, body: text(next, 1024 * 1024) }));
  await db.createCollection('ring', { capped: true, size: 8 * 1024 * 1024 });
  await fill(client, 'ring', 50_000, 10_000, small);
  await db.createCollection('weather', { timeseries: { timeField: 'at', metaField: 'station' } });
  await fill(client, 'weather', 50_000, 10_000, (n, next) => ({
    at: new Date(1_700_000_000_000 + n * 1000),
    station: n % 10,
    celsius: next() % 40,
  }));
  for (let n = 0; n < 200; n++) await db.collection(`tenant_${n}`).insertOne({ n, text: text(random(n), 300) });
}

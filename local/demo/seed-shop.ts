import type { Db, Document, MongoClient } from 'mongodb';
import { makeRandom, type Random } from './random.ts';
import { makeCustomer, makeEvent, makeMeasurement, makeOrder, makeProduct } from './shop-documents.ts';

export const shopName = 'shop';

export interface ShopSizes {
  readonly orders: number;
  readonly customers: number;
  readonly products: number;
  readonly measurements: number;
  readonly events: number;
  readonly accounts: number;
}

export const demoSizes: ShopSizes = {
  orders: 24_000,
  customers: 5000,
  products: 2000,
  measurements: 8000,
  events: 3000,
  accounts: 200,
};

async function createCollections(shop: Db): Promise<void> {
  await shop.createCollection('events', { capped: true, size: 8_000_000, max: 4000 });
  await shop.createCollection('stock', { clusteredIndex: { key: { _id: 1 }, unique: true, name: 'by sku' } });
  await shop.createCollection('climate', {
    timeseries: { timeField: 'at', metaField: 'sensor', granularity: 'minutes' },
  });
  await shop.createCollection('customers', {
    collation: { locale: 'de', strength: 2 },
    validator: { $jsonSchema: { required: ['email'] } },
  });
  await shop.createCollection('orders_paid', { viewOn: 'orders', pipeline: [{ $match: { status: 'paid' } }] });
}

async function createIndexes(shop: Db): Promise<void> {
  await shop.collection('orders').createIndexes([
    { key: { number: 1 }, name: 'number', unique: true },
    { key: { customer: 1, placedAt: -1 }, name: 'customer_placedAt' },
    { key: { 'lines.sku': 1 }, name: 'lines_sku' },
    { key: { 'shipping.geo': '2dsphere' }, name: 'geo' },
    { key: { coupon: 1 }, name: 'coupon', partialFilterExpression: { coupon: { $type: 'string' } } },
  ]);
  await shop.collection('customers').createIndexes([
    { key: { email: 1 }, name: 'email', unique: true },
    { key: { city: 1 }, name: 'city', hidden: true },
  ]);
  await shop.collection('products').createIndexes([
    { key: { title: 'text', description: 'text' }, name: 'words', weights: { title: 5 } },
    { key: { 'attributes.$**': 1 }, name: 'attributes' },
  ]);
  await shop.collection('carts').createIndexes([{ key: { touchedAt: 1 }, name: 'ttl', expireAfterSeconds: 86_400 }]);
  await shop.collection('vouchers').createIndexes([{ key: { code: 1 }, name: 'code', unique: true }]);
}

async function fill(shop: Db, name: string, count: number, make: (n: number) => Document): Promise<number> {
  const batch = 2000;
  for (let from = 0; from < count; from += batch) {
    const documents = Array.from({ length: Math.min(batch, count - from) }, (_, n) => make(from + n));
    await shop.collection(name).insertMany(documents, { ordered: false });
  }
  return count;
}

async function createAccess(client: MongoClient): Promise<void> {
  const orders = { db: shopName, collection: 'orders' };
  const shop = client.db(shopName);
  await shop.command({
    createRole: 'clerk',
    privileges: [{ resource: orders, actions: ['find', 'insert'] }],
    roles: [],
  });
  await shop.command({ createUser: 'till', pwd: 'demo-only', roles: ['clerk'], customData: { desk: 3 } });
  await client.db('admin').command({ createRole: 'auditor', privileges: [], roles: ['readAnyDatabase'] });
  await client.db('admin').command({ createUser: 'auditor', pwd: 'demo-only', roles: ['auditor'] });
}

/** Fills a deployment with a shop. @returns the number of documents. */
export async function seedShop(client: MongoClient, sizes: ShopSizes = demoSizes): Promise<number> {
  const shop = client.db(shopName);
  const random: Random = makeRandom(20_261_122);
  await createCollections(shop);
  await createIndexes(shop);
  const counts = await Promise.all([
    fill(shop, 'orders', sizes.orders, (n) => makeOrder(random, n)),
    fill(shop, 'customers', sizes.customers, (n) => makeCustomer(random, n)),
    fill(shop, 'products', sizes.products, (n) => makeProduct(random, n)),
    fill(shop, 'climate', sizes.measurements, (n) => makeMeasurement(random, n)),
    fill(shop, 'events', sizes.events, (n) => makeEvent(random, n)),
    fill(shop, 'stock', sizes.products, (n) => ({ _id: n, sku: `sku-${n}`, left: 100 })),
    fill(shop, 'accounts', sizes.accounts, (n) => ({ _id: n, balance: 1000 })),
    fill(shop, 'carts', 500, (n) => ({ _id: n, touchedAt: new Date(), items: [] })),
    fill(shop, 'vouchers', 300, (n) => ({ code: `v-${n}`, generation: 0 })),
  ]);
  await createAccess(client);
  return counts.reduce((sum, count) => sum + count, 0);
}

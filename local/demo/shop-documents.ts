import { Binary, Decimal128, Double, Int32, Long, ObjectId, UUID } from 'mongodb';
import type { Random } from './random.ts';

/** The documents of a small shop: of every kind that a backup must carry over. */

const cities = ['Zürich', 'København', '東京', 'São Paulo', 'Łódź', 'Αθήνα', 'القاهرة', '🏝️ Nadi'] as const;
const states = ['new', 'paid', 'packed', 'sent', 'returned'] as const;
const words = ['amber', 'bølge', 'crème', 'dünn', 'été', 'fjord', 'grün', '夏', 'île', 'jalapeño', 'kärlek'] as const;

const start = Date.UTC(2026, 0, 1);
const minutes = 60_000;

const sentence = (random: Random, length: number) => Array.from({ length }, () => random.pick(words)).join(' ');
const price = (random: Random) =>
  Decimal128.fromString(`${1 + random.below(900)}.${String(random.below(100)).padStart(2, '0')}`);

export function makeOrder(random: Random, number: number) {
  const lines = Array.from({ length: 1 + random.below(4) }, (_, line) => ({
    line: new Int32(line),
    sku: `sku-${random.below(2000)}`,
    quantity: new Int32(1 + random.below(5)),
    price: price(random),
  }));
  return {
    _id: new ObjectId(),
    number: Long.fromNumber(number),
    customer: random.below(5000),
    status: random.pick(states),
    placedAt: new Date(start + number * minutes),
    shipping: {
      city: random.pick(cities),
      geo: { type: 'Point', coordinates: [random.below(360) - 180, random.below(170) - 85] },
    },
    lines,
    note: sentence(random, random.below(8)),
    gift: random.below(5) === 0,
    coupon: random.below(3) === 0 ? `c-${random.below(100)}` : null,
  };
}

export function makeCustomer(random: Random, n: number) {
  return {
    _id: n,
    email: `customer-${n}@example.com`,
    name: sentence(random, 2),
    token: new UUID(),
    city: random.pick(cities),
    tags: Array.from({ length: random.below(5) }, () => random.pick(words)),
    scores: { trust: new Double(random.below(1000) / 7), visits: new Int32(random.below(500)) },
  };
}

export function makeProduct(random: Random, n: number) {
  const thumbnail = Buffer.alloc(200 + random.below(1800), random.below(256));
  return {
    _id: `sku-${n}`,
    title: sentence(random, 3),
    description: sentence(random, 30),
    price: price(random),
    thumbnail: new Binary(thumbnail),
    dimensions: { size: [random.below(90), random.below(90), random.below(90)], unit: 'cm' },
    attributes: { [`a${n % 7}`]: random.below(10), 'with.dot': true },
  };
}

export function makeMeasurement(random: Random, n: number) {
  const at = new Date(start + n * 15_000);
  return { at, sensor: { id: n % 20, hall: random.pick(cities) }, celsius: new Double(random.below(400) / 10), n };
}

export function makeEvent(random: Random, n: number) {
  return { _id: new ObjectId(), n: Long.fromNumber(n), kind: random.pick(states), text: sentence(random, 6) };
}

import type { Collection, Db, Document, MongoClient } from 'mongodb';
import type { Random } from '../../../local/demo/random.ts';

/** One thing that the workload does: a pure function of seed, lane and number, whatever the others did meanwhile. */
export interface Operation {
  readonly kind: string;
  /** What exactly, for the log. */
  readonly detail: string;
  readonly run: () => Promise<unknown>;
}

export interface World {
  readonly client: MongoClient;
  /** Resolves when that many more operations have ended, or after the time: what is held open may be what blocks them. */
  readonly after: (operations: number, limitMs: number) => Promise<void>;
  /** Work that outlives its operation; the workload ends when it has. */
  readonly hold: (work: () => Promise<void>) => void;
}

export type Maker = (world: World, random: Random) => Operation;

export type Id = number | string | Date | { readonly part: number; readonly n: number };
/** Documents of any shape. */
export interface Free extends Document {
  readonly _id?: Id;
}

/** `x` and `y` are always there, `gone` is dropped and made again. */
export const databases = ['x', 'y', 'gone'] as const;
const names = ['a', 'b', 'c', 'd', 'e', 'f'] as const;

export interface Place {
  readonly db: Db;
  readonly name: string;
  readonly ns: string;
  readonly collection: Collection<Free>;
}

export function placeOf(client: MongoClient, dbName: string, name: string): Place {
  const db = client.db(dbName);
  return { db, name, ns: `${dbName}.${name}`, collection: db.collection<Free>(name) };
}

/** One of the ordinary collections, the first ones of `x` most often. */
export function somePlace({ client }: World, random: Random): Place {
  const db = random.pick(['x', 'x', 'x', 'y', 'y', 'gone']);
  return placeOf(client, db, random.below(3) === 0 ? random.pick(names) : random.pick(['a', 'b', 'c']));
}

export const someName = (random: Random): string => random.pick(names);

/** Few keys are met again and again; most are met once or twice. Of several types. */
export function someId(random: Random): Id {
  const n = random.below(4) === 0 ? random.below(1500) : random.below(15);
  switch (random.below(12)) {
    case 0:
      return `id ${n}`;
    case 1:
      return { part: n % 5, n };
    case 2:
      return new Date(1_700_000_000_000 + n * 1000);
    default:
      return n;
  }
}

export function someFields(random: Random): Document {
  return {
    n: random.below(1000),
    text: 'ä'.repeat(random.below(40)),
    list: Array.from({ length: random.below(6) }, (_, n) => ({ n, v: random.below(100) })),
    nested: { a: { b: random.below(9) }, 7: random.below(9) },
    // Now and then the other type: a diff that was made for an array meets a document in which it is none.
    shape: random.below(3) === 0 ? random.below(5) : [random.below(5), [random.below(5)]],
  };
}

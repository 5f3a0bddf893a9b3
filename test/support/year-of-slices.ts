import { setTimeout as delay } from 'node:timers/promises';
import { sha256Hex } from '../../src/application/documents.ts';
import type { ListedObject, ListOptions, ObjectStore } from '../../src/application/ports/object-store.ts';
import { artifactKeys } from '../../src/domain/names.ts';
import { parseSliceKey } from '../../src/domain/oplog-archive.ts';
import { dayOf, toRow } from '../../src/domain/slice-index.ts';
import { archivePrefix } from './archived-world.ts';
import { dyingStore } from './dying-store.ts';
import { headerOfMinute, sliceOfMinute } from './many-slices.ts';

const page = 1000;
const piecesAtOnce = 8;
const minute = 60;
const daySeconds = 86_400;

export interface YearOptions {
  /** Of the first slice, in seconds. */
  readonly start: number;
  /** Slices, each of a minute. */
  readonly count: number;
  /** The last of them are in no index yet. */
  readonly unindexed: number;
  /** How long each request takes, in milliseconds. */
  readonly latency: number;
}

/**
 * A storage with an archive of so many minutes, and its index as the check writes it, beside what `store` holds. Nothing of it is in memory:
 * what is asked for is made. It lists a page of 1000 at a time and eight pieces at once, as the S3 store does.
 */
export function yearOfSlices(store: ObjectStore, { start, count, unindexed, latency }: YearOptions) {
  let requests = 0;
  const deleted = new Set<string>();
  const { length: size } = sliceOfMinute(start);
  const from = (n: number) => start + n * minute;
  const keyAt = (n: number) => artifactKeys.slice(archivePrefix, { t: from(n), i: 1 });
  const request = async () => {
    requests += 1;
    if (latency > 0) await delay(latency);
  };
  const numberOf = (key: string): number => {
    const slice = parseSliceKey(archivePrefix, key);
    const n = slice ? (slice.t - start) / minute : -1;
    return Number.isInteger(n) && n >= 0 && n < count && !deleted.has(key) ? n : -1;
  };
  const days = new Map<string, { readonly key: string; readonly first: number; readonly last: number }>();
  for (let n = 0; n < count - unindexed; n += 1) {
    const day = dayOf({ t: from(n), i: 1 });
    const known = days.get(day);
    days.set(day, { key: artifactKeys.sliceIndex(archivePrefix, day), first: known?.first ?? n, last: n });
  }
  const indexKeys = new Map([...days.values()].map((day) => [day.key, day]));
  const indexOf = ({ first, last }: { first: number; last: number }): Buffer => {
    const rows: string[] = [];
    for (let n = first; n <= last; n += 1) {
      const { from: a, to, entries, rawBytes, sha256 } = headerOfMinute(from(n));
      const seen = { size, version: `v-${n}`, from: a, to, entries, rawBytes, sha256, undecided: [] };
      rows.push(`${JSON.stringify(toRow(seen))}\n`);
    }
    const text = rows.join('');
    return Buffer.from(`${JSON.stringify({ schemaVersion: 1, sha256: sha256Hex(text) })}\n${text}`);
  };
  /** Slices whose keys are after the one, up to and with the other, a page at a time. */
  const piece = async (prefix: string, after: string, upTo: string | undefined): Promise<ListedObject[]> => {
    const found: ListedObject[] = [];
    // By their seconds, which the keys are in the order of.
    const begin = Math.max(
      0,
      Math.ceil((Number(after.slice(archivePrefix.length).slice(0, 10)) - start) / minute) || 0,
    );
    for (let n = begin; n < count; n += 1) {
      const key = keyAt(n);
      if (upTo !== undefined && key > upTo) break;
      if (key <= after || deleted.has(key) || !key.startsWith(prefix)) continue;
      if (found.length % page === 0) await request();
      found.push({ key, size, version: `v-${n}` });
    }
    if (found.length === 0) await request();
    return found;
  };
  /** What is no slice: the index, and what the other store holds. */
  const othersBelow = async (prefix: string): Promise<ListedObject[]> => {
    const others: ListedObject[] = [];
    for (const { key } of days.values())
      if (key.startsWith(prefix)) others.push({ key, size: 1440 * 150, version: 'i' });
    for await (const object of store.list(prefix)) others.push(object);
    others.sort((a, b) => (a.key < b.key ? -1 : 1));
    for (let n = 0; n < Math.max(1, Math.ceil(others.length / page)); n += 1) await request();
    return others;
  };
  async function* list(prefix: string, { dividedAt = [] }: ListOptions = {}): AsyncGenerator<ListedObject> {
    const others = await othersBelow(prefix);
    const holdsSlices = archivePrefix.startsWith(prefix) || prefix.startsWith(archivePrefix);
    const borders = holdsSlices ? [...dividedAt].sort() : [];
    const pieces = [...borders, undefined].map((upTo, n) => ({ after: borders[n - 1] ?? '', upTo }));
    const begun: Promise<ListedObject[]>[] = [];
    let other = 0;
    for (const n of holdsSlices ? pieces.keys() : []) {
      for (const next of pieces.slice(begun.length, n + piecesAtOnce)) begun.push(piece(prefix, next.after, next.upTo));
      for (const object of (await begun[n]) ?? []) {
        for (let before = others[other]; before && before.key < object.key; before = others[++other]) yield before;
        yield object;
      }
      begun[n] = Promise.resolve([]);
    }
    yield* others.slice(other);
  }
  const made: ObjectStore = {
    ...dyingStore(store, { left: Infinity, pace: [0] }),
    list,
    get: async (key) => {
      await request();
      const day = indexKeys.get(key);
      if (day) return { key, size: 1, etag: 'i', body: indexOf(day) };
      const n = numberOf(key);
      return n < 0 ? store.get(key) : { key, size, etag: `v-${n}`, body: sliceOfMinute(from(n)) };
    },
    getRange: async (key, ...rest) => {
      await request();
      const n = numberOf(key);
      return n < 0 ? store.getRange(key, ...rest) : sliceOfMinute(from(n));
    },
    head: async (key) => {
      await request();
      const n = numberOf(key);
      return n < 0 ? store.head(key) : { key, size, etag: `v-${n}` };
    },
    put: async (...args) => {
      await request();
      return store.put(...args);
    },
    delete: async (keys) => {
      for (let n = 0; n < keys.length; n += page) await request();
      for (const key of keys) if (numberOf(key) >= 0) deleted.add(key);
    },
  };
  return { store: made, requests: () => requests, end: from(count), daySeconds };
}

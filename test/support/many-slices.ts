import { BSON, Long, Timestamp } from 'bson';
import type { ListedObject, ListOptions, ObjectStore } from '../../src/application/ports/object-store.ts';
import { artifactKeys } from '../../src/domain/names.ts';
import { parseSliceKey } from '../../src/domain/oplog-archive.ts';
import type { OpTime } from '../../src/domain/timestamp.ts';
import type { SliceHeader } from '../../src/engine/oplog/slice-format.ts';
import { archivePrefix } from './archived-world.ts';
import { dyingStore } from './dying-store.ts';

/** A zstd frame of one block that is not compressed (RFC 8878, 3.1.1): thousands are made in no time. */
function rawFrame(content: Buffer): Buffer {
  const header = Buffer.alloc(12);
  header.writeUInt32LE(0xfd2fb528, 0);
  // A single segment, its size in four bytes, no checksum.
  header.writeUInt8(0xa0, 4);
  header.writeUInt32LE(content.length, 5);
  header.writeUIntLE((content.length << 3) | 1, 9, 3);
  return Buffer.concat([header, content]);
}

const opTimeAt = (t: number): OpTime => ({ ts: { t, i: 1 }, t: 1 });

/** Of the slice of the minute that begins at `t`. */
export function headerOfMinute(t: number): SliceHeader {
  return {
    ...{ schemaVersion: 1, from: opTimeAt(t), to: opTimeAt(t + 60), entries: 2, rawBytes: 100 + (t % 17) },
    ...{ sha256: t.toString(16).padStart(64, '0'), member: 'h:1', serverVersion: '6.0.5', run: 'made', fence: 1 },
    prepared: [],
  };
}

export function sliceOfMinute(t: number): Buffer {
  const encode = ({ ts, t: term }: OpTime) => ({ ts: new Timestamp(ts), t: Long.fromNumber(term) });
  const header = headerOfMinute(t);
  return rawFrame(Buffer.from(BSON.serialize({ ...header, from: encode(header.from), to: encode(header.to) })));
}

/** A storage with an archive of so many minutes, each a slice of which there is only the header, beside what `store` holds. */
export function archiveOfMinutes(store: ObjectStore, start: number, count: number): ObjectStore {
  const { length: size } = sliceOfMinute(start);
  const keyAt = (n: number) => artifactKeys.slice(archivePrefix, { t: start + n * 60, i: 1 });
  return {
    ...dyingStore(store, { left: Infinity, pace: [0] }),
    getRange: async (key, ...rest) => {
      const from = parseSliceKey(archivePrefix, key);
      return from ? sliceOfMinute(from.t) : store.getRange(key, ...rest);
    },
    async *list(prefix) {
      const listed: ListedObject[] = [];
      if (archivePrefix.startsWith(prefix))
        for (let n = 0; n < count; n += 1) listed.push({ key: keyAt(n), size, version: `v-${n}` });
      for await (const object of store.list(prefix)) listed.push(object);
      yield* listed.sort((a, b) => (a.key < b.key ? -1 : 1));
    },
  };
}

const page = 1000;

/** Counts the requests that a storage would be asked which lists a page at a time, as S3 does. */
export function countedStore(store: ObjectStore): { readonly store: ObjectStore; readonly requests: () => number } {
  let requests = 0;
  const counted =
    <A extends unknown[], T>(work: (...args: A) => Promise<T>) =>
    (...args: A): Promise<T> => {
      requests += 1;
      return work(...args);
    };
  return {
    requests: () => requests,
    store: {
      description: store.description,
      put: counted((...args) => store.put(...args)),
      putStream: counted((...args) => store.putStream(...args)),
      get: counted((...args) => store.get(...args)),
      getRange: counted((...args) => store.getRange(...args)),
      head: counted((...args) => store.head(...args)),
      age: counted((...args) => store.age(...args)),
      checksum: counted((...args) => store.checksum(...args)),
      delete: counted((...args) => store.delete(...args)),
      discardUnfinished: counted((...args) => store.discardUnfinished(...args)),
      requireSuitable: counted((...args) => store.requireSuitable(...args)),
      async *list(prefix: string, { dividedAt = [] }: ListOptions = {}) {
        const borders = dividedAt.toSorted();
        let listed = 0;
        for await (const object of store.list(prefix)) {
          while (borders[0] !== undefined && object.key > borders[0]) {
            borders.shift();
            // The page that shows the first key beyond the border.
            requests += 1 + Math.floor(listed / page);
            listed = 0;
          }
          listed += 1;
          yield object;
        }
        requests += Math.max(1, Math.ceil(listed / page)) + borders.length;
      },
    },
  };
}

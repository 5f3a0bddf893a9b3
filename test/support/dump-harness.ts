import { BSON, type Document, type MongoClient } from 'mongodb';
import type { ReplicaSetServers } from '../../local/servers/replica-set.ts';
import { SystemClock } from '../../src/adapters/process/system-clock.ts';
import type { Logger } from '../../src/application/ports/logger.ts';
import type { ObjectStore, StreamOptions, WrittenObject } from '../../src/application/ports/object-store.ts';
import { artifactKeys } from '../../src/domain/names.ts';
import type { Timestamp } from '../../src/domain/timestamp.ts';
import type { DumpPartDeps, DumpPartInput } from '../../src/engine/dump/dump-input.ts';
import { type DumpPartResult, dumpPart } from '../../src/engine/dump/dump-part.ts';
import { splitDocuments } from '../../src/engine/bson/raw-values.ts';
import { captureTo, type CaptureToInput, type CaptureToResult } from '../../src/engine/oplog/capture-to.ts';
import { type BackupIndex, readIndex } from '../../src/engine/packs/index-reader.ts';
import { joinFrames, readFrames } from '../../src/engine/packs/pack-reader.ts';

const silent: Logger = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };
export const partPrefix = 'shop/backups/b/rs0/';

export type DumpOverrides = Partial<DumpPartInput & DumpPartDeps>;

/** What a dump of the hidden member of a set into a store takes. */
export function hiddenDump(
  set: ReplicaSetServers,
  store: ObjectStore,
): { readonly input: DumpPartInput; readonly deps: DumpPartDeps } {
  const input: DumpPartInput = {
    ...{ backupId: 'b', runId: 'run', deployment: 'shop', part: 'rs0', partPrefix, attempt: 1, fence: 7 },
    ...{ codec: 'zstd', level: 1, parallel: 2, toolVersion: '0.1.0' },
    ...{ member: set.hidden.host, replicaSet: set.name, replicaSetId: '0'.repeat(24) },
  };
  const deps: DumpPartDeps = {
    client: set.clientFor(set.hidden),
    store,
    clock: new SystemClock(),
    logger: silent,
    signal: new AbortController().signal,
    onProgress: () => undefined,
    checkFence: () => Promise.resolve(),
  };
  return { input, deps };
}

/** Dumps the hidden member of a set into a store. */
export function dumpHidden(
  set: ReplicaSetServers,
  store: ObjectStore,
  overrides: DumpOverrides = {},
): Promise<DumpPartResult> {
  const { input, deps } = hiddenDump(set, store);
  return dumpPart({ ...input, ...overrides }, { ...deps, ...overrides });
}

/** Captures on after a dump, turn by turn, until the restore time is reached. */
export async function captureUntilReached(
  set: ReplicaSetServers,
  store: ObjectStore,
  { base, point }: DumpPartResult,
  restoreTime: Timestamp = point.ts,
): Promise<CaptureToResult> {
  const input: CaptureToInput = {
    ...{ oplogPrefix: artifactKeys.oplog(partPrefix), from: base.captureFrom, applyFrom: base.applyFrom, point },
    ...{ restoreTime, member: set.hidden.host, replicaSet: set.name, runId: 'run', fence: 7 },
  };
  const { signal } = new AbortController();
  const deps = { client: set.clientFor(set.hidden), store, signal, checkFence: () => Promise.resolve() };
  for (;;) {
    const result = await captureTo(input, deps);
    if (result.reached) return result;
    await new SystemClock().sleep(50);
  }
}

/** Every document that a base holds, raw, by namespace, in the order of the index. */
export async function readBase(
  store: ObjectStore,
  { base }: DumpPartResult,
): Promise<{ index: BackupIndex; documents: Map<string, Buffer[]> }> {
  const index = await readIndex(store, base.index);
  const documents = new Map<string, Buffer[]>(index.namespaces.map(({ ns }) => [ns, []]));
  const source = { store, codec: index.codec, keyOf: (pack: string) => artifactKeys.pack(partPrefix, pack) };
  for (const frame of index.frames)
    for (const run of joinFrames([frame], 1))
      for await (const { raw } of readFrames(source, run))
        for (const document of splitDocuments(raw)) documents.get(frame.ns)?.push(Buffer.from(document));
  return { index, documents };
}

/** The collection's documents as the server has them, raw, in natural order. */
export async function readRaw(client: MongoClient, ns: string): Promise<Buffer[]> {
  const dot = ns.indexOf('.');
  const find = client
    .db(ns.slice(0, dot))
    .collection(ns.slice(dot + 1))
    .find({}, { raw: true })
    .hint({ $natural: 1 });
  return (await find.toArray()).map((document) => Buffer.from(document as unknown as Uint8Array));
}

export const decode = (raw: Buffer): Document => BSON.deserialize(raw);

export async function keysOf(store: ObjectStore): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of store.list('')) keys.push(key);
  return keys;
}

/** A store that stops taking bytes after the first of a pack, until it is let go on. */
export function stallingStore(store: ObjectStore): {
  store: ObjectStore;
  stalled: Promise<undefined>;
  release: () => void;
} {
  const stalled = Promise.withResolvers<undefined>();
  const released = Promise.withResolvers<undefined>();
  async function* stalling(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const chunk of source) {
      stalled.resolve(undefined);
      await released.promise;
      yield chunk;
    }
  }
  const putStream = (key: string, source: AsyncIterable<Uint8Array>, options?: StreamOptions): Promise<WrittenObject> =>
    store.putStream(key, key.endsWith('.pack') ? stalling(source) : source, options);
  const proxy = new Proxy(store, {
    get(target, name): unknown {
      if (name === 'putStream') return putStream;
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
  return {
    store: proxy,
    stalled: stalled.promise,
    release: () => {
      released.resolve(undefined);
    },
  };
}

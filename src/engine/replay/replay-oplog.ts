import type { MongoClient } from 'mongodb';
import { HoldfastError } from '../../domain/errors.ts';
import { compareTimestamps, formatTimestamp, type Timestamp } from '../../domain/timestamp.ts';
import { findElement } from '../bson/raw-document.ts';
import { subDocument } from '../bson/raw-values.ts';
import { idOf, RawWriter } from '../bson/raw-writer.ts';
import { readOplogEntry } from '../oplog/oplog-entry.ts';
import { isCapped, type TargetCollections } from '../restore/target-collections.ts';
import { targetNamespace } from './carried-namespaces.ts';
import type { CollectionCatalog } from './collection-catalog.ts';
import type { CollectionMap, NamespaceStep } from './collection-map.ts';
import { type Operation, operationsOf } from './operation.ts';
import { ReplayLanes } from './replay-lanes.ts';
import { type Crud, OperationRewriter } from './rewrite-operation.ts';
import type { EntryPieces, OplogScan } from './scan-oplog.ts';

export interface ReplayInput {
  readonly restoreTime: Timestamp;
  /** Of the base: until then its documents may be newer than the entries, and updates may miss theirs (rule 15). */
  readonly point: Timestamp;
  readonly users: boolean;
  readonly parallel: number;
  /** hello.maxWireVersion of the target. */
  readonly maxWireVersion: number;
  readonly scan: OplogScan;
  /** Only these collections, by the source's UUID: nothing is done to others, nor to the rows of system.views. */
  readonly selected?: ReadonlyMap<string, string> | undefined;
  /** Documents that the base holds twice, by UUID. */
  readonly repeated: ReadonlyMap<string, number>;
}

export interface ReplayDeps {
  readonly client: MongoClient;
  readonly collections: TargetCollections;
  readonly map: CollectionMap;
  readonly catalog: CollectionCatalog;
  readonly signal: AbortSignal;
  readonly onReplayed: (entries: number) => void;
}

export interface ReplayCounts {
  /** Entries up to the restore time. */
  readonly entries: number;
  /** Operations that changed the target. */
  readonly applied: number;
  /** By their own rule: no-ops, aborted transactions, server-private namespaces, collections dropped before they were read. */
  readonly skipped: number;
  /** UUIDs of the source whose documents replay changed. */
  readonly touched: ReadonlySet<string>;
}

/** Parts of a collMod that wait until the end: indexes and limits are not there yet, expiry comes last (rules 16, 17). */
const laterInCollMod: ReadonlySet<string> = new Set([
  'collMod',
  'index',
  'expireAfterSeconds',
  'cappedSize',
  'cappedMax',
]);

function isCrud(operation: Operation): operation is Crud {
  return operation.kind === 'insert' || operation.kind === 'update' || operation.kind === 'delete';
}

type Definition = Exclude<Operation, { kind: 'insert' | 'delete' | 'update' | 'nothing' }>;

class Replay {
  readonly #input: ReplayInput;
  readonly #deps: ReplayDeps;
  readonly #lanes: ReplayLanes;
  readonly #rewriter = new OperationRewriter();
  readonly #capped = new Map<string, boolean>();
  /** Insertions up to the point, by UUID. */
  readonly #inserted = new Map<string, number>();
  readonly touched = new Set<string>();
  applied = 0;
  skipped = 0;

  constructor(input: ReplayInput, deps: ReplayDeps) {
    this.#input = input;
    this.#deps = deps;
    this.#lanes = new ReplayLanes(deps.client, input.parallel, input.maxWireVersion);
  }

  push(): Promise<void> {
    return this.#lanes.push();
  }

  flush(): Promise<void> {
    return this.#lanes.flush();
  }

  /** Nothing is to reach the target after a failure has been reported. */
  settle(): Promise<void> {
    return this.#lanes.settle();
  }

  /** @returns a promise only when the caller must wait */
  apply(operation: Operation, ts: Timestamp): Promise<void> | undefined {
    const ns = targetNamespace(operation.ns, this.#input.users);
    const { selected } = this.#input;
    const isLeftOut = selected && 'uuid' in operation && !selected.has(operation.uuid);
    if (ns === undefined || operation.kind === 'nothing' || isLeftOut) {
      this.skipped++;
      return undefined;
    }
    if (isCrud(operation)) return this.#crud(operation, ts);
    this.applied++;
    return this.#define(operation, ns);
  }

  #crud(crud: Crud, ts: Timestamp): Promise<void> | undefined {
    const name = this.#deps.map.nameOf(crud.uuid);
    if (name === undefined) {
      this.#skipUnread(crud, ts);
      return undefined;
    }
    this.applied++;
    this.touched.add(crud.uuid);
    const fuzzy = compareTimestamps(ts, this.#input.point) <= 0;
    if (crud.kind !== 'insert' || !fuzzy) return this.#send(crud, name, ts, fuzzy);
    this.#inserted.set(crud.uuid, (this.#inserted.get(crud.uuid) ?? 0) + 1);
    if (!this.#isCapped(crud.uuid)) return this.#send(crud, name, ts, fuzzy);
    // A capped collection is in the order of insertion: what the base holds already comes to its place again.
    const removal = this.#send({ ...crud, kind: 'delete', o: idOf(crud.o) }, name, ts, fuzzy);
    return removal ? removal.then(() => this.#send(crud, name, ts, fuzzy)) : this.#send(crud, name, ts, fuzzy);
  }

  #isCapped(uuid: string): boolean {
    const options = this.#deps.catalog.get(uuid)?.options;
    const known = this.#capped.get(uuid);
    if (known !== undefined || !options) return known ?? false;
    const capped = isCapped(options);
    this.#capped.set(uuid, capped);
    return capped;
  }

  /**
   * A document that the base holds twice was inserted again while it was read.
   * @throws VerificationFailed when the oplog has fewer insertions: the base is not what a dump makes
   */
  checkRepeated(): void {
    for (const [uuid, documents] of this.#input.repeated)
      if ((this.#inserted.get(uuid) ?? 0) < documents)
        throw new HoldfastError(
          'VerificationFailed',
          `The base holds ${documents} documents of the collection with UUID ${uuid} twice, and the oplog does not say why.`,
        );
  }

  #send(crud: Crud, name: string, ts: Timestamp, upsert: boolean): Promise<void> | undefined {
    const { collections } = this.#deps;
    const operation = this.#rewriter.rewrite(crud, name, collections.uuidOf(crud.uuid), upsert, ts);
    const waiting = this.#lanes.add(crud.uuid, operation);
    // A row of system.views defines a view: a barrier, like every other definition.
    return name.endsWith('.system.views') ? (waiting ?? Promise.resolve()).then(() => this.flush()) : waiting;
  }

  /** Neither in the base nor created since: it was dropped before it was read. @throws VerificationFailed otherwise */
  #skipUnread({ uuid, ns, kind }: Crud, ts: Timestamp): void {
    if (!this.#input.scan.dropped.has(uuid))
      throw new HoldfastError(
        'VerificationFailed',
        `The backup is incomplete: the oplog entry at ${formatTimestamp(ts)} (${kind}) changes ${ns}, which is not in its base.`,
      );
    this.skipped++;
  }

  async #define(operation: Definition, ns: string): Promise<void> {
    const { map, catalog } = this.#deps;
    if (operation.kind === 'dropDatabase') return;
    const { uuid } = operation;
    switch (operation.kind) {
      case 'createIndexes':
        for (const spec of operation.specs) catalog.createIndex(uuid, spec);
        return;
      case 'dropIndex':
        catalog.dropIndex(uuid, operation.name);
        return;
      case 'create':
        await this.#run(map.create(uuid, ns), operation.o);
        return;
      case 'rename': {
        if (operation.dropTarget !== undefined && operation.dropTarget !== uuid) catalog.remove(operation.dropTarget);
        catalog.endTemporary(uuid);
        const to = targetNamespace(operation.to, this.#input.users) ?? operation.to;
        await this.#run(map.rename(uuid, to, operation.dropTarget));
        return;
      }
      case 'drop':
        catalog.remove(uuid);
        await this.#run(map.drop(uuid));
        return;
      case 'collMod':
        await this.#modify(uuid, operation.o);
        return;
      case 'emptyCapped':
        await this.#empty(uuid);
    }
  }

  /** A server without test commands takes no emptycapped: the same collection is made anew. */
  async #empty(uuid: string): Promise<void> {
    const { map, catalog, collections } = this.#deps;
    const [ns, collection] = [map.nameOf(uuid), catalog.get(uuid)];
    if (ns === undefined || !collection) return;
    this.touched.add(uuid);
    await this.flush();
    await collections.change({ kind: 'drop', uuid, ns });
    await collections.create(uuid, ns, { options: collection.options, idIndex: collection.indexes.get('_id_') });
    this.#rewriter.forget();
  }

  async #modify(uuid: string, o: Buffer): Promise<void> {
    const { map, catalog, collections } = this.#deps;
    catalog.modify(uuid, o);
    const name = map.nameOf(uuid);
    const now = new RawWriter().elements(o, (field) => !laterInCollMod.has(field)).toBuffer();
    if (name === undefined || now.length === 5) return;
    await this.flush();
    await collections.modify(uuid, name, now);
  }

  /** Brings the target there; `o` is that of a create entry. */
  async #run(steps: readonly NamespaceStep[], o?: Buffer): Promise<void> {
    if (steps.length === 0) return;
    await this.flush();
    this.#rewriter.forget();
    for (const step of steps) {
      if (step.kind === 'create' && o) await this.#create(step.uuid, step.ns, o);
      else if (step.kind !== 'create') await this.#deps.collections.change(step);
    }
  }

  async #create(uuid: string, ns: string, o: Buffer): Promise<void> {
    const element = findElement(o, 'idIndex');
    const idIndex = element && subDocument(o, element);
    const options = new RawWriter().elements(o, (name) => name !== 'create' && name !== 'idIndex').toBuffer();
    const clustered = findElement(options, 'clusteredIndex');
    this.#deps.catalog.add(uuid, options, idIndex && !clustered ? [idIndex] : []);
    this.touched.add(uuid);
    await this.#deps.collections.create(uuid, ns, { options, idIndex });
  }
}

/**
 * The second reading of the captured oplog: applies every entry up to and including the restore time to the target.
 * Index definitions only change the catalogue; they are built afterwards (consistency rules 13-16).
 * @throws RestoreRejected naming the entry, RestoreVerificationFailed, and what the slices throw
 */
export async function replayOplog(pieces: EntryPieces, input: ReplayInput, deps: ReplayDeps): Promise<ReplayCounts> {
  const replay = new Replay(input, deps);
  try {
    const entries = await readEntries(pieces, input, deps, replay);
    await replay.flush();
    replay.checkRepeated();
    deps.map.checkSettled();
    return { entries, applied: replay.applied, skipped: replay.skipped, touched: replay.touched };
  } finally {
    await replay.settle();
  }
}

/** @returns the number of entries up to the restore time */
async function readEntries(pieces: EntryPieces, input: ReplayInput, deps: ReplayDeps, replay: Replay): Promise<number> {
  const transactions = input.scan.transactions.reader();
  let entries = 0;
  for await (const piece of pieces) {
    deps.signal.throwIfAborted();
    const before = entries;
    for (const raw of piece) {
      const entry = readOplogEntry(raw);
      const { ts } = entry.opTime;
      if (compareTimestamps(ts, input.restoreTime) > 0) return entries;
      entries++;
      if (!transactions.applies(entry)) {
        replay.skipped++;
        continue;
      }
      for (const operation of operationsOf(entry)) {
        const waiting = replay.apply(operation, ts);
        if (waiting) await waiting;
      }
    }
    await replay.push();
    deps.onReplayed(entries - before);
  }
  return entries;
}

import { randomUUID } from 'node:crypto';
import { BSON, type CollectionInfo, type MongoClient } from 'mongodb';
import { HoldfastError, isHoldfastError } from '../../domain/errors.ts';
import { splitNamespace } from '../../domain/names.ts';
import { elements, findElement } from '../bson/raw-document.ts';
import { readFlag, readNumber } from '../bson/raw-values.ts';
import { RawWriter } from '../bson/raw-writer.ts';
import type { NamespaceStep } from '../replay/collection-map.ts';
import { rawArray } from './raw-command.ts';
import { markDatabase, probeCollection } from './restore-mark.ts';
import { atTarget } from './target-errors.ts';

/** Documents that predate their validator are carried too (consistency rule 14). */
const applyOptions = { bypassDocumentValidation: true, writeConcern: { w: 1 } };

export function isCapped(options: Buffer): boolean {
  return readFlag(options, findElement(options, 'capped'));
}

/** How a collection is made: its options (raw) and the spec of its `_id_` index, where it has one. */
export interface CollectionShape {
  readonly options: Buffer;
  readonly idIndex: Buffer | undefined;
}

// An expiry is set at the very end, so that nothing expires meanwhile (consistency rule 17).
const notCreatedWith: ReadonlySet<string> = new Set(['create', 'expireAfterSeconds', 'idIndex']);
/** Under its final name from the beginning, a collection is never renamed, which ends what `$out` makes as temporary. */
const notCreatedFresh: ReadonlySet<string> = new Set([...notCreatedWith, 'temp']);
const cappedLimits: ReadonlySet<string> = new Set(['size', 'max']);
/** The server's limit, 1 PiB; nothing is allocated. */
const greatestCappedSize = 1n << 50n;

/**
 * The target's collections, addressed by the source's UUIDs. Where the target takes them (`keep`), a collection gets
 * the source's UUID by `applyOps create`; where it doesn't, it gets one of its own, which is remembered.
 */
export class TargetCollections {
  readonly #client: MongoClient;
  readonly #keep: boolean;
  readonly #left: ReadonlySet<string>;
  readonly #uuids = new Map<string, string>();

  /** @param uuids `final`: fresh ones, of collections that are under their final names from the beginning */
  constructor(client: MongoClient, uuids: 'keep' | 'fresh' | 'final') {
    this.#client = client;
    this.#keep = uuids === 'keep';
    this.#left = uuids === 'final' ? notCreatedFresh : notCreatedWith;
  }

  /** The target's UUID of a collection of the source, 32 hex digits. */
  uuidOf(source: string): string {
    return this.#uuids.get(source) ?? source;
  }

  /** Runs operations, each the raw `{op, ns, ui, o, …}` of an oplog entry, in order. @throws RestoreRejected */
  async applyOps(what: string, operations: readonly Buffer[]): Promise<void> {
    await atTarget(what, () => this.#client.db('admin').command({ applyOps: rawArray(operations), ...applyOptions }));
  }

  /** A capped one has the greatest size until {@link limitCapped}: replay deletes what the source's forgot, no more. */
  async create(uuid: string, ns: string, shape: CollectionShape): Promise<void> {
    const { db, coll } = splitNamespace(ns);
    const o = new RawWriter().string('create', coll);
    const capped = isCapped(shape.options);
    o.elements(shape.options, (name) => !this.#left.has(name) && !(capped && cappedLimits.has(name)));
    if (capped) o.int64('size', greatestCappedSize);
    if (shape.idIndex) o.document('idIndex', shape.idIndex);
    await this.#command(`the creation of ${ns}`, db, this.#keep ? uuid : undefined, o.toBuffer());
    if (!this.#keep) this.#uuids.set(uuid, await this.#readUuid(ns));
  }

  /** A collection that no one of the source stands for, under its name in place of a UUID: the target's own, or a new one. */
  async adopt(ns: string, shape: CollectionShape): Promise<void> {
    const uuid = await this.#findUuid(ns);
    if (uuid === undefined) await this.create(ns, ns, shape);
    else this.#uuids.set(ns, uuid);
  }

  /** Applies a rename or drop that the map planned. */
  async change(step: Exclude<NamespaceStep, { kind: 'create' }>): Promise<void> {
    if (step.kind === 'drop') {
      const { db, coll } = splitNamespace(step.ns);
      const o = new RawWriter().string('drop', coll).toBuffer();
      await this.#command(`the drop of ${step.ns}`, db, this.uuidOf(step.uuid), o);
      this.#uuids.delete(step.uuid);
      return;
    }
    const o = new RawWriter().string('renameCollection', step.from).string('to', step.to).boolean('stayTemp', false);
    const { db } = splitNamespace(step.from);
    await this.#command(`the rename of ${step.from}`, db, this.uuidOf(step.uuid), o.toBuffer());
  }

  /** `{collMod: <name>, …rest of o}`; the caller has taken out what is not for now. */
  async modify(uuid: string, ns: string, o: Buffer): Promise<void> {
    const { db, coll } = splitNamespace(ns);
    const command = new RawWriter().string('collMod', coll).elements(o, (name) => name !== 'collMod');
    await this.#command(`the collMod of ${ns}`, db, this.uuidOf(uuid), command.toBuffer());
  }

  /** Gives a capped collection the limits of its options. */
  async limitCapped(uuid: string, ns: string, options: Buffer): Promise<void> {
    const limits = new RawWriter();
    for (const element of elements(options))
      if (cappedLimits.has(element.name))
        limits.int64(
          element.name === 'size' ? 'cappedSize' : 'cappedMax',
          BigInt(Math.trunc(readNumber(options, element))),
        );
    await this.modify(uuid, ns, limits.toBuffer());
  }

  /** A command as an entry of the oplog, `ui` included where the target knows the UUID. */
  async #command(what: string, db: string, ui: string | undefined, o: Buffer): Promise<void> {
    const operation = new RawWriter().string('op', 'c').string('ns', `${db}.$cmd`);
    if (ui !== undefined) operation.uuid('ui', ui);
    await this.applyOps(what, [operation.document('o', o).toBuffer()]);
  }

  async #readUuid(ns: string): Promise<string> {
    const uuid = await this.#findUuid(ns);
    if (uuid === undefined)
      throw new HoldfastError('RestoreRejected', `The target does not list ${ns}, which was just created.`);
    return uuid;
  }

  async #findUuid(ns: string): Promise<string | undefined> {
    const { db, coll } = splitNamespace(ns);
    const found = await atTarget(`the look-up of ${ns}`, () =>
      this.#client.db(db).listCollections<CollectionInfo>({ name: coll }).toArray(),
    );
    return found[0]?.info?.uuid?.toString('hex').replaceAll('-', '');
  }
}

/**
 * Whether the target lets a collection have a UUID from outside (consistency rule 13): tried on a collection of the
 * database that holds the restore's mark.
 */
export async function takesUuids(client: MongoClient): Promise<boolean> {
  const probe = new TargetCollections(client, 'keep');
  const uuid = randomUUID().replaceAll('-', '');
  const ns = `${markDatabase}.${probeCollection}`;
  const idIndex = Buffer.from(BSON.serialize({ v: 2, key: { _id: 1 }, name: '_id_' }));
  try {
    await probe.create(uuid, ns, { options: Buffer.from(BSON.serialize({})), idIndex });
    await probe.change({ kind: 'drop', uuid, ns });
    return true;
  } catch (error) {
    if (isHoldfastError(error, 'RestoreRejected')) return false;
    throw error;
  }
}

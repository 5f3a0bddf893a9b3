import { randomUUID } from 'node:crypto';
import { BSON, type CollectionInfo, type MongoClient } from 'mongodb';
import { HoldfastError, isHoldfastError } from '../../domain/errors.ts';
import { splitNamespace } from '../../domain/names.ts';
import { RawWriter } from '../bson/raw-writer.ts';
import type { NamespaceStep } from '../replay/collection-map.ts';
import { rawArray, rawDocument } from './raw-command.ts';
import { markDatabase } from './restore-mark.ts';
import { atTarget } from './target-errors.ts';

/** Documents that predate their validator are carried too (consistency rule 14). */
const applyOptions = { bypassDocumentValidation: true, writeConcern: { w: 1 } };

/** How a collection is made: its options (raw) and the spec of its `_id_` index, where it has one. */
export interface CollectionShape {
  readonly options: Buffer;
  readonly idIndex: Buffer | undefined;
}

/**
 * The target's collections, addressed by the source's UUIDs. Where the target takes them (`keep`), a collection gets
 * the source's UUID by `applyOps create`; where it doesn't, it gets one of its own, which is remembered.
 */
export class TargetCollections {
  readonly #client: MongoClient;
  readonly #keep: boolean;
  readonly #uuids = new Map<string, string>();

  constructor(client: MongoClient, uuids: 'keep' | 'fresh') {
    this.#client = client;
    this.#keep = uuids === 'keep';
  }

  /** The target's UUID of a collection of the source, 32 hex digits. */
  uuidOf(source: string): string {
    return this.#uuids.get(source) ?? source;
  }

  /** Runs operations, each the raw `{op, ns, ui, o, …}` of an oplog entry, in order. @throws RestoreRejected */
  async applyOps(what: string, operations: readonly Buffer[]): Promise<void> {
    await atTarget(what, () => this.#client.db('admin').command({ applyOps: rawArray(operations), ...applyOptions }));
  }

  async create(uuid: string, ns: string, shape: CollectionShape): Promise<void> {
    const { db, coll } = splitNamespace(ns);
    const o = new RawWriter().string('create', coll);
    // An expiry is set at the very end, so that nothing expires meanwhile (consistency rule 17).
    o.elements(shape.options, (name) => name !== 'create' && name !== 'expireAfterSeconds' && name !== 'idIndex');
    if (shape.idIndex) o.document('idIndex', shape.idIndex);
    await this.#command(`the creation of ${ns}`, db, this.#keep ? uuid : undefined, o.toBuffer());
    if (!this.#keep) this.#uuids.set(uuid, await this.#readUuid(ns));
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

  /** Whether a document with this `_id` is there. @param id the raw `{_id}` */
  async holds(ns: string, id: Buffer): Promise<boolean> {
    const { db, coll } = splitNamespace(ns);
    const command = { find: coll, filter: rawDocument(id), limit: 1, singleBatch: true, projection: { _id: 1 } };
    const reply = await atTarget(`a look at ${ns}`, () => this.#client.db(db).command(command));
    return (reply['cursor'] as { firstBatch: readonly unknown[] }).firstBatch.length > 0;
  }

  /** A command as an entry of the oplog, `ui` included where the target knows the UUID. */
  async #command(what: string, db: string, ui: string | undefined, o: Buffer): Promise<void> {
    const operation = new RawWriter().string('op', 'c').string('ns', `${db}.$cmd`);
    if (ui !== undefined) operation.uuid('ui', ui);
    await this.applyOps(what, [operation.document('o', o).toBuffer()]);
  }

  async #readUuid(ns: string): Promise<string> {
    const { db, coll } = splitNamespace(ns);
    const found = await atTarget(`the look-up of ${ns}`, () =>
      this.#client.db(db).listCollections<CollectionInfo>({ name: coll }).toArray(),
    );
    const uuid = found[0]?.info?.uuid;
    if (!uuid) throw new HoldfastError('RestoreRejected', `The target does not list ${ns}, which was just created.`);
    return uuid.toString('hex').replaceAll('-', '');
  }
}

/**
 * Whether the target lets a collection have a UUID from outside (consistency rule 13): tried on a collection of the
 * database that holds the restore's mark.
 */
export async function takesUuids(client: MongoClient): Promise<boolean> {
  const probe = new TargetCollections(client, 'keep');
  const uuid = randomUUID().replaceAll('-', '');
  const ns = `${markDatabase}.probe`;
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

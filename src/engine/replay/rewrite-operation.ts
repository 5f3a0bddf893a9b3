import type { Timestamp } from '../../domain/timestamp.ts';
import { bsonType } from '../bson/raw-document.ts';
import { RawWriter } from '../bson/raw-writer.ts';
import type { Operation } from './operation.ts';
import type { LaneOperation } from './replay-lanes.ts';

export type Crud = Extract<Operation, { kind: 'insert' | 'update' | 'delete' }>;

const letters = { insert: 'i', update: 'u', delete: 'd' } as const;
const headO = Buffer.from([bsonType.document, 0x6f, 0]);
const headO2 = Buffer.from([bsonType.document, 0x6f, 0x32, 0]);
const end = Buffer.alloc(1);

/**
 * Writes CRUD operations for the target: `op`, `ns` and `ui` are the target's, `o` and `o2` the entry's own bytes
 * (consistency rule 13), `b` allows an update to create a missing document (rule 15).
 */
export class OperationRewriter {
  readonly #heads = new Map<string, Buffer>();

  /** After names changed. */
  forget(): void {
    this.#heads.clear();
  }

  /**
   * @param ns the collection's current name in the target
   * @param uuid the target's
   */
  rewrite(crud: Crud, ns: string, uuid: string, upsert: boolean, ts: Timestamp): LaneOperation {
    const head = this.#head(crud.kind, ns, uuid, upsert && crud.kind === 'update');
    const o2 = crud.kind === 'update' ? [headO2, crud.o2] : [];
    const size = Buffer.allocUnsafe(4);
    const parts = [size, head, headO, crud.o, ...o2, end];
    let length = 0;
    for (const part of parts) length += part.length;
    size.writeInt32LE(length);
    return { parts, length, ns, ts };
  }

  #head(kind: Crud['kind'], ns: string, uuid: string, upsert: boolean): Buffer {
    const key = `${kind}${upsert ? '+' : ''}${uuid}`;
    const known = this.#heads.get(key);
    if (known) return known;
    const writer = new RawWriter().string('op', letters[kind]).string('ns', ns).uuid('ui', uuid);
    if (upsert) writer.boolean('b', true);
    const document = writer.toBuffer();
    const head = document.subarray(4, document.length - 1);
    this.#heads.set(key, head);
    return head;
  }
}

import { bsonType, ElementCursor } from '../bson/raw-document.ts';
import { type EntryHead, readOperationHead } from '../oplog/entry-head.ts';

const crud: readonly string[] = ['i', 'u', 'd'];

/**
 * Moves entries together at the beginning of their buffer, as they go into the oplog of copied files. A write that a driver
 * may try again has a session, under which the server keeps the last one: recovery would write that row once more for
 * every such entry, all of a session one after the other, and nobody reads it, because a restore empties that collection.
 * So they go without. Entries that need theirs keep it: all of transactions, and of findAndModify.
 */
export class EntriesToAppend {
  readonly #buffer: Buffer;
  #length = 0;
  #count = 0;

  /** @param buffer of whole entries: changed by {@link add} */
  constructor(buffer: Buffer) {
    this.#buffer = buffer;
  }

  /** @param offset of the entry; in order */
  add(offset: number, { op, end, session, needsRetryImage }: EntryHead): void {
    const buffer = this.#buffer;
    let start = offset;
    if (session !== undefined && crud.includes(op) && !needsRetryImage) {
      start = session - 4;
      buffer.writeInt32LE(end - start, start);
    }
    if (start !== this.#length) buffer.copyWithin(this.#length, start, end);
    this.#length += end - start;
    this.#count += 1;
  }

  get count(): number {
    return this.#count;
  }

  /** A view. */
  get bytes(): Buffer {
    return this.#buffer.subarray(0, this.#length);
  }
}

/** The UUIDs of collections that entries added documents to or removed some from. */
export class CountedCollections {
  readonly #found = new Set<string>();

  add(buffer: Buffer, { op, ui, o }: EntryHead): void {
    if (op === 'c' && o !== undefined) this.#addTransaction(buffer, o);
    else this.#addOperation(buffer, op, ui);
  }

  #addTransaction(buffer: Buffer, o: number): void {
    const cursor = new ElementCursor(buffer, o);
    if (!cursor.next() || !cursor.isNamed('applyOps') || cursor.type !== bsonType.array) return;
    for (const operations = new ElementCursor(buffer, cursor.value); operations.next();) {
      if (operations.type !== bsonType.document) continue;
      const { op, ui } = readOperationHead(buffer, operations.value);
      this.#addOperation(buffer, op, ui);
    }
  }

  #addOperation(buffer: Buffer, op: string, ui: number | undefined): void {
    // Sixteen characters of a byte each: the quickest that a set can tell apart.
    if (ui !== undefined && (op === 'i' || op === 'd')) this.#found.add(buffer.toString('latin1', ui, ui + 16));
  }

  /** In the form `xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx`. */
  get uuids(): string[] {
    const parts = /^(.{8})(.{4})(.{4})(.{4})(.{12})$/;
    return [...this.#found].map((bytes) =>
      Buffer.from(bytes, 'latin1').toString('hex').replace(parts, '$1-$2-$3-$4-$5'),
    );
  }
}

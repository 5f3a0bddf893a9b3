import { type ClientSession, type Document, Long, type MongoClient } from 'mongodb';
import { HoldfastError } from '../../domain/errors.ts';
import { elements, type RawElement } from '../bson/raw-document.ts';
import { asBuffer, readInt64, readString } from '../bson/raw-values.ts';

/** Documents as the server sends them. The only thing that knows how they travel: another transport replaces this file. */
export interface RawCursor {
  /** The namespace that the server reads from: after a `find` by UUID, its current name. */
  readonly ns: string;
  /**
   * The next batch as one BSON array, not decoded and not copied out of the reply; undefined after the last. The
   * server is asked for the batch after it before this resolves, so that it works while the caller does (but not when
   * batches are very large).
   * @throws what the driver throws, after which the cursor is of no use; the signal's reason when aborted
   */
  next(): Promise<Buffer | undefined>;
  /**
   * Of the batch that `next` handed out last: the server's `postBatchResumeToken`, raw BSON and its own copy. A `find`
   * with `$_resumeAfter` goes on behind that batch's last document. Undefined unless the command asked for it
   * (`$_requestResumeToken`).
   */
  readonly resumeToken: Buffer | undefined;
  /** Ends the cursor on the server too. Never throws. Safe to call twice. */
  close(): Promise<void>;
}

export interface RawCursorOptions {
  readonly signal: AbortSignal;
  /** Bytes that a batch should have: the number of documents asked for follows their size. The server's limit is 16 MiB. */
  readonly batchBytes?: number;
}

interface Reply {
  readonly id: bigint;
  readonly ns: string;
  readonly batch: Buffer;
  readonly resumeToken: Buffer | undefined;
}

/** Enough for most collections to come whole with the first reply, little enough to learn the documents' size cheaply. */
const firstBatchSize = 256;
/** Batches that stay in the processor's caches are handled fastest, and bound the memory of a scan. */
const defaultBatchBytes = 4 * 1024 * 1024;
const maxBatchSize = 100_000;
const maxGrowth = 16;
/** Batches that turn out larger than so many of the wanted size are not asked for ahead. */
const maxBatchesAhead = 2;
const killTimeoutMS = 3000;

function parseReply(reply: Document): Reply {
  const cursor = asBuffer(reply['cursor'] as Uint8Array);
  let batch: RawElement | undefined;
  let id: bigint | undefined;
  let ns: string | undefined;
  let token: RawElement | undefined;
  for (const element of elements(cursor)) {
    if (element.name === 'firstBatch' || element.name === 'nextBatch') batch = element;
    else if (element.name === 'postBatchResumeToken') token = element;
    else if (element.name === 'id') id = readInt64(cursor, element);
    else if (element.name === 'ns') ns = readString(cursor, element);
  }
  if (!batch || id === undefined || ns === undefined)
    throw new HoldfastError('CorruptSource', 'A cursor reply has no batch, id or namespace.');
  // A view would keep the whole reply in memory.
  const resumeToken = token && Buffer.from(cursor.subarray(token.value, token.end));
  return { id, ns, batch: cursor.subarray(batch.value, batch.end), resumeToken };
}

class DriverRawCursor implements RawCursor {
  readonly ns: string;
  readonly #client: MongoClient;
  readonly #session: ClientSession;
  readonly #options: RawCursorOptions;
  readonly #db: string;
  readonly #collection: string;
  #id: bigint;
  #batchSize: number;
  readonly #batchBytes: number;
  /** The batch that is here, or on its way. */
  #pending: Promise<Reply> | undefined;
  #resumeToken: Buffer | undefined;
  #closed = false;

  constructor(client: MongoClient, session: ClientSession, first: Reply, options: RawCursorOptions) {
    this.#client = client;
    this.#session = session;
    this.#options = options;
    this.#batchBytes = options.batchBytes ?? defaultBatchBytes;
    this.ns = first.ns;
    const dot = first.ns.indexOf('.');
    this.#db = first.ns.slice(0, dot);
    this.#collection = first.ns.slice(dot + 1);
    this.#batchSize = firstBatchSize;
    this.#id = first.id;
    this.#adapt(first);
    this.#pending = Promise.resolve(first);
  }

  get resumeToken(): Buffer | undefined {
    return this.#resumeToken;
  }

  async next(): Promise<Buffer | undefined> {
    this.#pending ??= this.#ask();
    if (!this.#pending) return undefined;
    const { batch, resumeToken } = await this.#pending;
    this.#resumeToken = resumeToken;
    // Two replies of 16 MiB at a time for each scan would be most of a worker's memory.
    this.#pending = batch.length > maxBatchesAhead * this.#batchBytes ? undefined : this.#ask();
    return batch;
  }

  #ask(): Promise<Reply> | undefined {
    if (this.#id === 0n || this.#closed) return undefined;
    const reply = this.#getMore();
    // Whoever calls next awaits it; until then a rejection must not count as unhandled.
    reply.catch(() => undefined);
    return reply;
  }

  async #getMore(): Promise<Reply> {
    const command = { getMore: Long.fromBigInt(this.#id), collection: this.#collection, batchSize: this.#batchSize };
    const reply = parseReply(await runRaw(this.#client, this.#db, command, this.#session, this.#options.signal));
    this.#id = reply.id;
    this.#adapt(reply);
    return reply;
  }

  /** A reply that is not the last has as many documents as were asked for, unless the server's limit cut it. */
  #adapt(reply: Reply): void {
    if (reply.id === 0n) return;
    const wanted = Math.ceil((this.#batchSize * this.#batchBytes) / reply.batch.length);
    this.#batchSize = Math.max(1, Math.min(wanted, this.#batchSize * maxGrowth, maxBatchSize));
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#pending?.catch(() => undefined);
    this.#pending = undefined;
    if (this.#id !== 0n) await killSession(this.#client, this.#session);
    await this.#session.endSession().catch(() => undefined);
  }
}

/**
 * Ends what the session has on the server: an open cursor, and a command whose reply nobody waits for any more, which
 * may be opening one. Users may kill their own sessions. Best effort: what stays ends with the session.
 */
async function killSession(client: MongoClient, session: ClientSession): Promise<void> {
  const id = session.id?.['id'] as unknown;
  if (id === undefined) return;
  await client
    .db('admin')
    .command({ killSessions: [{ id }] }, { timeoutMS: killTimeoutMS })
    .catch(() => undefined);
}

function runRaw(
  client: MongoClient,
  db: string,
  command: Document,
  session: ClientSession,
  signal: AbortSignal,
): Promise<Document> {
  // With raw, the driver hands out embedded documents as views of the reply: `cursor` is one Buffer (driver 7.9.0).
  return client.db(db).command(command, { raw: true, session, signal });
}

/**
 * Opens a cursor by a command that answers with one (`find`, `aggregate`, `listIndexes`, `listCollections`), in a session
 * of its own that is not causal: a causal one would wait for writes that a locked or lagging member does not have.
 * @throws what the driver throws; the signal's reason when aborted
 */
export async function openRawCursor(
  client: MongoClient,
  db: string,
  command: Document,
  options: RawCursorOptions,
): Promise<RawCursor> {
  const session = client.startSession({ causalConsistency: false });
  try {
    const sized = 'find' in command ? { batchSize: firstBatchSize, ...command } : { ...command };
    const reply = parseReply(await runRaw(client, db, withCommandFirst(command, sized), session, options.signal));
    return new DriverRawCursor(client, session, reply, options);
  } catch (error) {
    if (options.signal.aborted) await killSession(client, session);
    await session.endSession().catch(() => undefined);
    throw error;
  }
}

/** The server takes the first field of a command for its name. */
function withCommandFirst(command: Document, sized: Document): Document {
  const name = Object.keys(command)[0] ?? '';
  return { [name]: command[name] as unknown, ...sized };
}

/** All documents of a command's cursor, copied: for catalogs, which are small. @throws what {@link openRawCursor} does */
export async function readAllRaw(
  client: MongoClient,
  db: string,
  command: Document,
  options: RawCursorOptions,
): Promise<Buffer[]> {
  const cursor = await openRawCursor(client, db, command, options);
  const documents: Buffer[] = [];
  try {
    for (let batch = await cursor.next(); batch; batch = await cursor.next())
      for (const element of elements(batch)) documents.push(Buffer.from(batch.subarray(element.value, element.end)));
    return documents;
  } finally {
    await cursor.close();
  }
}

import { type ClientSession, type Document, Long, type MongoClient } from 'mongodb';
import { HoldfastError } from '../../domain/errors.ts';
import { elements, findElement, type RawElement } from '../bson/raw-document.ts';
import { readInt64, readString } from '../bson/raw-values.ts';
import { commandSection } from '../wire/op-msg.ts';
import type { WireConnection, WireReply } from '../wire/wire-connection.ts';
import { giveBackWireConnection, takeWireConnection } from '../wire/wire-connections.ts';

/** Documents as the server sends them. The only thing that knows how they travel: another transport replaces this file. */
export interface RawCursor {
  /** The namespace that the server reads from: after a `find` by UUID, its current name. */
  readonly ns: string;
  /**
   * The next batch as one BSON array, not decoded and not copied out of the reply; undefined after the last. The
   * server is asked for the batch after it before this resolves, so that it works while the caller does (but not when
   * batches are very large).
   * @throws MongoServerError, MongoNetworkError, after which the cursor is of no use; the signal's reason when aborted
   */
  next(): Promise<Buffer | undefined>;
  /**
   * Of the batch that `next` handed out last: the server's `postBatchResumeToken`, raw BSON and its own copy. A `find`
   * with `$_resumeAfter` goes on behind that batch's last document. Undefined unless the command asked for it
   * (`$_requestResumeToken`).
   */
  readonly resumeToken: Buffer | undefined;
  /**
   * Of the batch that `next` handed out last: lets its memory be used for another. Whoever does not call it has the
   * batch for good.
   */
  readonly release: () => void;
  /** Ends the cursor on the server too. Never throws. Safe to call twice. */
  close(): Promise<void>;
}

export interface RawCursorOptions {
  readonly signal: AbortSignal;
  /** Bytes that a batch should have: the number of documents asked for follows their size. The server's limit is 16 MiB. */
  readonly batchBytes?: number;
}

interface Batch {
  readonly id: bigint;
  readonly ns: string;
  /** A BSON array, in the memory of the reply. */
  readonly documents: Buffer;
  readonly resumeToken: Buffer | undefined;
  readonly release: () => void;
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

function parseReply({ body, release }: WireReply): Batch {
  const cursor = findElement(body, 'cursor');
  let batch: RawElement | undefined;
  let id: bigint | undefined;
  let ns: string | undefined;
  let token: RawElement | undefined;
  for (const element of cursor ? elements(body, cursor.value) : []) {
    if (element.name === 'firstBatch' || element.name === 'nextBatch') batch = element;
    else if (element.name === 'postBatchResumeToken') token = element;
    else if (element.name === 'id') id = readInt64(body, element);
    else if (element.name === 'ns') ns = readString(body, element);
  }
  if (!batch || id === undefined || ns === undefined)
    throw new HoldfastError('CorruptSource', 'A cursor reply has no batch, id or namespace.');
  // Kept for longer than the memory of the reply.
  const resumeToken = token && Buffer.from(body.subarray(token.value, token.end));
  return { id, ns, documents: body.subarray(batch.value, batch.end), resumeToken, release };
}

/** A command by one connection, in one session; works on members of every state. */
class SessionCommands {
  readonly client: MongoClient;
  readonly session: ClientSession;
  readonly connection: WireConnection;
  readonly #signal: AbortSignal;

  constructor(client: MongoClient, session: ClientSession, connection: WireConnection, signal: AbortSignal) {
    this.client = client;
    this.session = session;
    this.connection = connection;
    this.#signal = signal;
  }

  async run(db: string, command: Document): Promise<Batch> {
    // What the driver sends on a direct connection: any member may answer.
    const where = { lsid: this.session.id, $db: db, $readPreference: { mode: 'primaryPreferred' } };
    return parseReply(await this.connection.request([commandSection({ ...command, ...where })], this.#signal));
  }

  /** @param ended whether nothing of the session is left on the server */
  async end(ended: boolean): Promise<void> {
    if (!ended) await killSession(this.client, this.session);
    giveBackWireConnection(this.client, this.connection);
    await this.session.endSession().catch(() => undefined);
  }
}

class WireRawCursor implements RawCursor {
  readonly ns: string;
  readonly #commands: SessionCommands;
  readonly #db: string;
  readonly #collection: string;
  readonly #batchBytes: number;
  #id: bigint;
  #batchSize = firstBatchSize;
  /** The batch that is here, or on its way. */
  #pending: Promise<Batch> | undefined;
  /** The batch that was handed out last. */
  #batch: Batch;
  #closed = false;

  constructor(commands: SessionCommands, first: Batch, options: RawCursorOptions) {
    this.#commands = commands;
    this.#batchBytes = options.batchBytes ?? defaultBatchBytes;
    this.ns = first.ns;
    const dot = first.ns.indexOf('.');
    this.#db = first.ns.slice(0, dot);
    this.#collection = first.ns.slice(dot + 1);
    this.#id = first.id;
    this.#adapt(first);
    this.#batch = first;
    this.#pending = Promise.resolve(first);
  }

  get resumeToken(): Buffer | undefined {
    return this.#batch.resumeToken;
  }

  get release(): () => void {
    return this.#batch.release;
  }

  async next(): Promise<Buffer | undefined> {
    this.#pending ??= this.#ask();
    if (!this.#pending) return undefined;
    const batch = await this.#pending;
    this.#batch = batch;
    // Two replies of 16 MiB at a time for each scan would be most of a worker's memory.
    const ahead = batch.documents.length <= maxBatchesAhead * this.#batchBytes;
    this.#pending = ahead ? this.#ask() : undefined;
    return batch.documents;
  }

  #ask(): Promise<Batch> | undefined {
    if (this.#id === 0n || this.#closed) return undefined;
    const batch = this.#getMore();
    // Whoever calls next awaits it; until then a rejection must not count as unhandled.
    batch.catch(() => undefined);
    return batch;
  }

  async #getMore(): Promise<Batch> {
    const command = { getMore: Long.fromBigInt(this.#id), collection: this.#collection, batchSize: this.#batchSize };
    const batch = await this.#commands.run(this.#db, command);
    this.#id = batch.id;
    this.#adapt(batch);
    return batch;
  }

  /** A batch that is not the last has as many documents as were asked for, unless the server's limit cut it. */
  #adapt({ id, documents }: Batch): void {
    if (id === 0n) return;
    const wanted = Math.ceil((this.#batchSize * this.#batchBytes) / documents.length);
    this.#batchSize = Math.max(1, Math.min(wanted, this.#batchSize * maxGrowth, maxBatchSize));
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#pending?.catch(() => undefined);
    this.#pending = undefined;
    await this.#commands.end(this.#id === 0n);
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

/**
 * Opens a cursor by a command that answers with one (`find`, `aggregate`, `listIndexes`, `listCollections`), in a session
 * of its own that is not causal: a causal one would wait for writes that a locked or lagging member does not have.
 * @param client one that is connected to its server directly
 * @throws MongoServerError, MongoNetworkError; the signal's reason when aborted
 */
export async function openRawCursor(
  client: MongoClient,
  db: string,
  command: Document,
  options: RawCursorOptions,
): Promise<RawCursor> {
  const connection = await takeWireConnection(client, options.signal);
  const session = client.startSession({ causalConsistency: false });
  const commands = new SessionCommands(client, session, connection, options.signal);
  try {
    const sized = 'find' in command ? { batchSize: firstBatchSize, ...command } : { ...command };
    const first = await commands.run(db, withCommandFirst(command, sized));
    return new WireRawCursor(commands, first, options);
  } catch (error) {
    await commands.end(!options.signal.aborted);
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

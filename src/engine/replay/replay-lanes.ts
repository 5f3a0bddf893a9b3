import { type MongoClient, MongoServerError } from 'mongodb';
import { HoldfastError } from '../../domain/errors.ts';
import { formatTimestamp, type Timestamp } from '../../domain/timestamp.ts';
import { rawArrayBody } from '../restore/raw-command.ts';
import { atTarget, saysNoPrimary } from '../restore/target-errors.ts';

/** One applyOps becomes one oplog entry of the target, which must fit into 16 MiB; a larger entry goes alone. */
const maxBatchBytes = 4 * 1024 * 1024;
/** More do not make a server faster, and each holds a batch, another one on its way, and copies of it. */
const maxLanes = 8;
const maxBatchOperations = 4000;
const arrayOverhead = 5;

/** An operation for applyOps, in pieces to be sent one after the other: views of the entry, not copies. */
export interface LaneOperation {
  readonly parts: readonly Buffer[];
  readonly length: number;
  /** For messages. */
  readonly ns: string;
  readonly ts: Timestamp;
}

const elementHeads = Array.from({ length: maxBatchOperations }, (_, n) => Buffer.from(`\x03${n}\0`, 'latin1'));

function toArray(operations: readonly LaneOperation[]): object {
  const pieces: Buffer[] = [];
  let length = arrayOverhead;
  for (const [n, operation] of operations.entries()) {
    const head = elementHeads[n] ?? Buffer.alloc(0);
    pieces.push(head, ...operation.parts);
    length += head.length + operation.length;
  }
  return rawArrayBody(length, pieces);
}

class Batch {
  readonly operations: LaneOperation[] = [];
  bytes = 0;

  add(operation: LaneOperation): void {
    this.operations.push(operation);
    this.bytes += operation.length;
  }

  takes(operation: LaneOperation): boolean {
    const fits = this.bytes + operation.length <= maxBatchBytes && this.operations.length < maxBatchOperations;
    return fits || this.operations.length === 0;
  }
}

interface Lane {
  batch: Batch;
  sending: Promise<void>;
}

/**
 * Sends CRUD operations in large applyOps batches, several at a time. Operations of one collection stay in one lane and
 * in order; those of different collections do not depend on each other, because no index but `_id` exists during replay.
 */
export class ReplayLanes {
  readonly #client: MongoClient;
  readonly #options: object;
  readonly #lanes: readonly Lane[];
  #failure: { readonly error: unknown } | undefined;

  /** @param maxWireVersion of the target: servers after 6.0 (17) refuse `alwaysUpsert`, which 6.0 takes for true */
  constructor(client: MongoClient, lanes: number, maxWireVersion: number) {
    this.#client = client;
    const upsert = maxWireVersion <= 17 ? { alwaysUpsert: false } : {};
    this.#options = { bypassDocumentValidation: true, ...upsert, writeConcern: { w: 1 } };
    this.#lanes = Array.from({ length: Math.min(lanes, maxLanes) }, () => ({
      batch: new Batch(),
      sending: Promise.resolve(),
    }));
  }

  /** @returns a promise only when the caller must wait: the lane's batch is full and the one before is still under way. */
  add(uuid: string, operation: LaneOperation): Promise<void> | undefined {
    const lane = this.#lanes[Number.parseInt(uuid.slice(0, 6), 16) % this.#lanes.length];
    if (!lane) return undefined;
    const waiting = lane.batch.takes(operation) ? undefined : this.#start(lane);
    if (waiting)
      return waiting.then(() => {
        lane.batch.add(operation);
      });
    lane.batch.add(operation);
    return undefined;
  }

  /** Starts sending what is there, so that no lane keeps bytes of long-read slices in memory. */
  async push(): Promise<void> {
    for (const lane of this.#lanes) if (lane.batch.operations.length > 0) await this.#start(lane);
  }

  /** A barrier: resolves when everything added so far is applied. @throws RestoreRejected naming the entry */
  async flush(): Promise<void> {
    await this.push();
    await Promise.all(this.#lanes.map(({ sending }) => sending));
    this.#check();
  }

  /** Resolves when nothing is under way any more, also after a failure. */
  async settle(): Promise<void> {
    await Promise.all(this.#lanes.map(({ sending }) => sending));
  }

  async #start(lane: Lane): Promise<void> {
    await lane.sending;
    this.#check();
    const { operations } = lane.batch;
    lane.batch = new Batch();
    lane.sending = this.#send(operations).catch((error: unknown) => {
      this.#failure ??= { error };
    });
  }

  #check(): void {
    if (this.#failure) throw this.#failure.error;
  }

  /** All or nothing is the fastest; what that refuses has changed nothing and is tried one by one, to name the entry. */
  async #send(operations: readonly LaneOperation[]): Promise<void> {
    const what = `the replay of ${operations.length} entries from ${formatTimestamp(operations[0]?.ts ?? { t: 0, i: 0 })}`;
    const reason = operations.length > 1 ? await atTarget(what, () => this.#apply(operations, true)) : undefined;
    if (operations.length > 1 && reason === undefined) return;
    const failure = await atTarget(what, () => this.#apply(operations, false));
    if (failure) throw refused(operations[failure.at], reason?.message ?? failure.message);
  }

  async #apply(operations: readonly LaneOperation[], allowAtomic: boolean): Promise<Refusal | undefined> {
    try {
      const command = { applyOps: toArray(operations), allowAtomic, ...this.#options };
      const { results } = (await this.#client.db('admin').command(command)) as { results?: readonly boolean[] };
      const at = results?.indexOf(false) ?? -1;
      return at < 0 ? undefined : { at, message: 'it was not applied' };
    } catch (error) {
      if (!(error instanceof MongoServerError) || error.code === 13 || saysNoPrimary(error.code)) throw error;
      const { applied = 1, results } = error.errorResponse as { applied?: number; results?: readonly boolean[] };
      const failed = results?.indexOf(false) ?? -1;
      return { at: failed >= 0 ? failed : applied - 1, message: error.message.slice(0, 300) };
    }
  }
}

interface Refusal {
  /** The operation that failed, counted from 0. */
  readonly at: number;
  readonly message: string;
}

function refused(operation: LaneOperation | undefined, message: string): HoldfastError {
  const where = operation ? `the entry at ${formatTimestamp(operation.ts)} for ${operation.ns}` : 'an entry';
  return new HoldfastError('RestoreRejected', `The target rejected ${where} of the replay: ${message}.`, {
    details: operation ? { ts: formatTimestamp(operation.ts), ns: operation.ns } : {},
  });
}

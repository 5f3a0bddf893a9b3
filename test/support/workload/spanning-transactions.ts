import { type ClientSession, type MongoClient, MongoServerError, type Timestamp } from 'mongodb';
import { placeOf } from './operation.ts';
import type { Workload } from './workload.ts';

export const spanningDatabase = 'spanning';
const majority = { writeConcern: { w: 'majority' } };

/** A conflict in the storage engine may abort it (seed 52): then it is one more that was aborted. */
async function commit(session: ClientSession): Promise<void> {
  await session.commitTransaction().catch((error: unknown) => {
    if (!(error instanceof MongoServerError) || !error.hasErrorLabel('TransientTransactionError')) throw error;
  });
}

/**
 * Transactions that are open before the dump begins: decided in its middle, after its end, and after the restore time
 * was chosen. In a database of their own, so that no definition of the workload waits for them.
 */
export class SpanningTransactions {
  readonly #client: MongoClient;
  readonly #sessions: ClientSession[] = [];
  readonly #work: Promise<unknown>[] = [];
  #late: (() => Promise<unknown>)[] = [];

  constructor(client: MongoClient) {
    this.#client = client;
  }

  async begin(workload: Workload): Promise<void> {
    await placeOf(this.#client, spanningDatabase, 'kept').collection.insertMany(
      Array.from({ length: 20 }, (_, n) => ({ _id: n })),
    );
    const [early, late, large, aborted] = [
      await this.#open(1),
      await this.#open(3),
      await this.#open(5, 'x'.repeat(6_000_000)),
      await this.#open(7),
    ];
    const [preparedEarly, preparedLate] = [await this.#prepare(9), await this.#prepare(11)];
    this.#work.push(
      workload.after(60, 4_000).then(() => commit(early)),
      workload.after(80, 4_000).then(() => preparedEarly()),
    );
    this.#late = [() => commit(late), () => commit(large), () => aborted.abortTransaction()];
    this.#decideLast = preparedLate;
  }

  #decideLast: (commitTimestamp?: Timestamp) => Promise<unknown> = () => Promise.resolve();

  /** After the base, before the workload ends. */
  async decide(): Promise<void> {
    await Promise.all(this.#work);
    for (const decide of this.#late) await decide();
  }

  /**
   * Without waiting: the last prepared one is committed when the restore time has been chosen. By its prepare's
   * timestamp it belongs to the restore, and the live source holds it afterwards. By one of `now` it belongs neither to
   * the restore nor to a source that is frozen before.
   */
  decideAfterwards(by: 'prepare' | 'now'): void {
    const later = new Promise((resolve) => setTimeout(resolve, 300));
    this.#work.push(
      later.then(async () => {
        const note = { appendOplogNote: 1, data: { test: 'a later time' } };
        const { operationTime } = await this.#client.db('admin').command(note);
        await this.#decideLast(by === 'now' ? (operationTime as Timestamp) : undefined);
      }),
    );
  }

  /** Waits for what was decided; what was not, because something failed before, is aborted: it would hold its locks. */
  async end(): Promise<void> {
    const ended = await Promise.allSettled(this.#work);
    for (const session of this.#sessions) {
      if (session.inTransaction()) {
        await this.#client
          .db('admin')
          .command({ abortTransaction: 1, ...majority }, { session })
          .catch(() => undefined);
      }
      await session.endSession().catch(() => undefined);
    }
    for (const one of ended) if (one.status === 'rejected') throw one.reason;
  }

  async #open(id: number, body = 'small'): Promise<ClientSession> {
    const session = this.#client.startSession();
    this.#sessions.push(session);
    session.startTransaction();
    const { collection } = placeOf(this.#client, spanningDatabase, 'kept');
    await collection.updateOne({ _id: id }, { $set: { body } }, { session });
    await collection.deleteOne({ _id: id + 1 }, { session });
    for (let n = 0; n < 3; n += 1) await collection.insertOne({ _id: 100 * id + n, body }, { session });
    return session;
  }

  /** @returns how to commit it */
  async #prepare(id: number): Promise<(commitTimestamp?: Timestamp) => Promise<unknown>> {
    const session = await this.#open(id);
    const admin = this.#client.db('admin');
    const { prepareTimestamp } = await admin.command({ prepareTransaction: 1, ...majority }, { session });
    return (commitTimestamp = prepareTimestamp as Timestamp) =>
      admin.command({ commitTransaction: 1, commitTimestamp, ...majority }, { session });
  }
}

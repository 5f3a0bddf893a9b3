import { HoldfastError } from '../../domain/errors.ts';
import { splitNamespace } from '../../domain/names.ts';
import { compareTimestamps, formatTimestamp, type OpTime, type Timestamp } from '../../domain/timestamp.ts';
import { changesFeatureCompatibilityVersion, type OplogEntry, readOplogEntry } from '../oplog/oplog-entry.ts';
import { targetNamespace } from './carried-namespaces.ts';
import type { NamesAtEnd } from './names-at-end.ts';
import { type Operation, operationsOf, unsupported } from './operation.ts';
import { TransactionDecisions } from './transactions.ts';

/** Entries in order, in pieces: each shared entry of two slices once. */
export type EntryPieces = AsyncIterable<readonly Buffer[]>;

export interface ScanInput {
  readonly restoreTime: Timestamp;
  /** Entries up to and including it are in the base. */
  readonly applyFrom: Timestamp;
  /** Where capture began: the first entry must not be later. */
  readonly from: OpTime;
  readonly users: boolean;
  /** Collections of the base: [source's UUID, ns]. */
  readonly base: Iterable<readonly [string, string]>;
  /** Is told of every definition up to the restore time that the base does not hold for certain. */
  readonly names?: NamesAtEnd | undefined;
}

export interface OplogScan {
  readonly transactions: TransactionDecisions;
  /** Entries up to the restore time. */
  readonly entries: number;
  /** Collections, by the source's UUID, that were dropped by the restore time. */
  readonly dropped: ReadonlySet<string>;
}

/** Which collections the oplog speaks of, and whether the base or the oplog itself accounts for each. */
class Accounts {
  /** UUID → database, of what exists or will: the base's, and what was created. */
  readonly #known = new Map<string, string>();
  readonly #created = new Set<string>();
  readonly dropped = new Set<string>();
  /** UUIDs that neither the base nor a create accounts for: they must have been dropped before they were read. */
  readonly #unread = new Map<string, string>();
  /** Of the base, in a database that was dropped: they must be created later. */
  readonly #younger = new Map<string, string>();

  constructor(base: Iterable<readonly [string, string]>) {
    for (const [uuid, ns] of base) this.#known.set(uuid, splitNamespace(ns).db);
  }

  observe(operation: Operation, ts: Timestamp): void {
    if (operation.kind === 'dropDatabase') this.#dropDatabase(splitNamespace(operation.ns).db, ts);
    if (!('uuid' in operation)) return;
    const { uuid, ns, kind } = operation;
    if (kind === 'create') {
      this.#known.set(uuid, splitNamespace(ns).db);
      this.#created.add(uuid);
      this.#younger.delete(uuid);
    } else if (kind === 'drop') this.#drop(uuid);
    else if (!this.#known.has(uuid) && !this.#unread.has(uuid))
      this.#unread.set(uuid, `${ns} (${kind} at ${formatTimestamp(ts)})`);
    if (kind === 'rename' && operation.dropTarget !== undefined) this.#drop(operation.dropTarget);
  }

  /** @throws VerificationFailed */
  close(): void {
    const missing = [...this.#unread.values(), ...this.#younger.values()];
    if (missing.length > 0)
      throw new HoldfastError(
        'VerificationFailed',
        `The backup is incomplete: its oplog changes collections that exist at the restore time and are not in its base: ` +
          `${missing.slice(0, 5).join(', ')}.`,
      );
  }

  #drop(uuid: string): void {
    this.dropped.add(uuid);
    this.#known.delete(uuid);
    this.#unread.delete(uuid);
  }

  /** The server logs a drop of each collection before that of the database: what is left is of a later time. */
  #dropDatabase(db: string, ts: Timestamp): void {
    for (const [uuid, of] of this.#known)
      if (of === db) this.#younger.set(uuid, `${uuid} of ${db}, which was dropped at ${formatTimestamp(ts)}`);
    for (const uuid of this.#created)
      if (this.#known.get(uuid) === db)
        throw new HoldfastError(
          'UnsupportedOplogEntry',
          `The oplog entry at ${formatTimestamp(ts)} (op c, command dropDatabase, ns ${db}.$cmd) cannot be replayed: ` +
            `it does not drop each collection beforehand.`,
        );
  }
}

/**
 * The first reading of the captured oplog, before anything is written to a target: every entry up to the restore time
 * is of a kind that replay carries, every transaction is decided, every collection is accounted for, and the oplog
 * reaches from the start of capture to the restore time.
 * @throws UnsupportedOplogEntry, OplogGap, VerificationFailed, and what the slices throw
 */
export async function scanOplog(pieces: EntryPieces, input: ScanInput): Promise<OplogScan> {
  const transactions = new TransactionDecisions(input);
  const accounts = new Accounts(input.base);
  let entries = 0;
  let last: Timestamp | undefined;
  for await (const piece of pieces) {
    for (const raw of piece) {
      const entry = readOplogEntry(raw);
      const { ts } = entry.opTime;
      if (last) checkOrder(last, ts);
      else checkStart(ts, input.from);
      last = ts;
      const transaction = transactions.observe(entry);
      if (compareTimestamps(ts, input.restoreTime) > 0) continue;
      entries++;
      const after = compareTimestamps(ts, input.applyFrom) > 0;
      if (input.names && (after || transaction !== undefined))
        for (const operation of carriedOperations(entry, input.users)) input.names.observe(operation, ts, transaction);
      if (!after) continue;
      if (changesFeatureCompatibilityVersion(entry))
        throw unsupported(entry, ts, 'it changes the feature compatibility version, over which no replay goes');
      for (const operation of carriedOperations(entry, input.users)) accounts.observe(operation, ts);
    }
  }
  if (!last || compareTimestamps(last, input.restoreTime) < 0)
    throw new HoldfastError(
      'OplogGap',
      `The captured oplog ends ${last ? `at ${formatTimestamp(last)}, ` : ''}before the restore time ${formatTimestamp(input.restoreTime)}.`,
    );
  transactions.close();
  accounts.close();
  return { transactions, entries, dropped: accounts.dropped };
}

function* carriedOperations(entry: OplogEntry, users: boolean): Generator<Operation> {
  for (const operation of operationsOf(entry)) if (targetNamespace(operation.ns, users) !== undefined) yield operation;
}

/** Slices prove that they follow each other by their first and last entries alone. */
function checkOrder(last: Timestamp, ts: Timestamp): void {
  if (compareTimestamps(last, ts) < 0) return;
  throw new HoldfastError(
    'VerificationFailed',
    `The captured oplog is out of order: the entry at ${formatTimestamp(ts)} comes after the one at ${formatTimestamp(last)}.`,
  );
}

function checkStart(first: Timestamp, from: OpTime): void {
  if (compareTimestamps(first, from.ts) > 0)
    throw new HoldfastError(
      'OplogGap',
      `The captured oplog begins at ${formatTimestamp(first)}, after ${formatTimestamp(from.ts)}, where capture began.`,
    );
}

import { HoldfastError } from '../../domain/errors.ts';
import { compareTimestamps, formatTimestamp, type OpTime, sameOpTime, type Timestamp } from '../../domain/timestamp.ts';
import { findElement } from '../bson/raw-document.ts';
import { readTimestamp } from '../bson/raw-values.ts';
import { type OplogEntry, transactionKey, transactionRole, type TransactionRole } from '../oplog/oplog-entry.ts';
import { unsupported } from './operation.ts';

/** A transaction of more than one entry whose end has not been read yet. */
interface OpenTransaction {
  /** Identifies the transaction within the oplog: its key may be used again by a later attempt. */
  readonly first: OpTime;
  /** An entry of it lies before the captured oplog. */
  readonly incomplete: boolean;
  last: OpTime;
  prepared: boolean;
}

const identify = (key: string, first: OpTime): string => `${key}@${formatTimestamp(first.ts)}`;

/** Follows the entries of transactions, one after the other, in the order of the oplog. */
class Chains {
  readonly #open = new Map<string, OpenTransaction>();

  /** @returns the transaction that a partial, prepare or terminal entry belongs to; undefined when the entry is all of it */
  step(entry: OplogEntry, role: TransactionRole): OpenTransaction | undefined {
    const key = transactionKey(entry);
    const { prevOpTime, opTime } = entry;
    const open = this.#open.get(key);
    const follows = open ? prevOpTime !== undefined && sameOpTime(prevOpTime, open.last) : prevOpTime === undefined;
    const chain = open ?? { first: opTime, last: opTime, prepared: false, incomplete: !follows };
    if (role === 'partial' || role === 'prepare') {
      const prepared = chain.prepared || role === 'prepare';
      const next = { ...chain, last: opTime, prepared, incomplete: chain.incomplete || !follows };
      this.#open.set(key, next);
      return next;
    }
    this.#open.delete(key);
    if (!open && follows) return undefined;
    return { ...chain, incomplete: chain.incomplete || !follows };
  }

  open(): IterableIterator<[string, OpenTransaction]> {
    return this.#open.entries();
  }
}

/** Of a commit entry: when the transaction counts as committed (consistency rule 11). */
export function commitTimestamp(entry: OplogEntry): Timestamp {
  const { o, opTime } = entry;
  const element = o && findElement(o, 'commitTimestamp');
  // A commit without one ends an unprepared transaction of old servers: its own time counts.
  return element ? readTimestamp(o, element) : opTime.ts;
}

export interface TransactionBounds {
  /** Entries up to and including it are in the base, whole transactions too (LogicalBase.applyFrom). */
  readonly applyFrom: Timestamp;
  readonly restoreTime: Timestamp;
}

/**
 * Which transactions of several entries are to be replayed (consistency rule 11): a prepared one iff its
 * commitTimestamp is not after the restore time, wherever its commit lies; another one iff its last entry is not.
 * What ended before the base began is in the base.
 *
 * Made by a first reading of the whole captured oplog. The second reading can then apply each entry of a transaction
 * where it stands and needs no buffer, however large the transaction is: from the first of its entries to its commit
 * the transaction held its documents and collections, so that nothing in between touches them.
 */
export class TransactionDecisions {
  readonly #bounds: TransactionBounds;
  readonly #chains = new Chains();
  readonly #applied = new Set<string>();

  constructor(bounds: TransactionBounds) {
    this.#bounds = bounds;
  }

  /**
   * First reading: every entry, also those after the restore time.
   * @returns what identifies the transaction of several entries that it belongs to, for {@link isApplied}
   * @throws OplogGap, UnsupportedOplogEntry
   */
  observe(entry: OplogEntry): string | undefined {
    const role = transactionRole(entry);
    if (!role) {
      if (entry.partialTxn || entry.prepare || entry.command === 'commitTransaction')
        throw unsupported(entry, entry.opTime.ts, 'it is part of a transaction without a session');
      return undefined;
    }
    const chain = this.#chains.step(entry, role);
    if (!chain) return undefined;
    const transaction = identify(transactionKey(entry), chain.first);
    if (role === 'commit' || role === 'apply') this.#decide(entry, role, chain, transaction);
    return transaction;
  }

  /** After the first reading. */
  isApplied(transaction: string): boolean {
    return this.#applied.has(transaction);
  }

  #decide(entry: OplogEntry, role: 'commit' | 'apply', chain: OpenTransaction, transaction: string): void {
    const decisive = role === 'commit' ? commitTimestamp(entry) : entry.opTime.ts;
    const { applyFrom, restoreTime } = this.#bounds;
    if (compareTimestamps(decisive, restoreTime) > 0 || compareTimestamps(entry.opTime.ts, applyFrom) <= 0) return;
    if (chain.incomplete)
      throw new HoldfastError(
        'OplogGap',
        `The transaction that ends at ${formatTimestamp(entry.opTime.ts)} began before the captured oplog.`,
      );
    this.#applied.add(transaction);
  }

  /** After the first reading. @throws OplogGap for a transaction prepared by the restore time that nothing decided */
  close(): void {
    for (const [, { prepared, last }] of this.#chains.open()) {
      if (prepared && compareTimestamps(last.ts, this.#bounds.restoreTime) <= 0)
        throw new HoldfastError(
          'OplogGap',
          `The transaction prepared at ${formatTimestamp(last.ts)} is neither committed nor aborted in the captured oplog.`,
        );
    }
  }

  /** For the second reading. */
  reader(): TransactionReader {
    return new TransactionReader(this.#bounds.applyFrom, (key, first) => this.#applied.has(identify(key, first)));
  }
}

export class TransactionReader {
  readonly #chains = new Chains();
  readonly #applyFrom: Timestamp;
  readonly #isApplied: (key: string, first: OpTime) => boolean;

  constructor(applyFrom: Timestamp, isApplied: (key: string, first: OpTime) => boolean) {
    this.#applyFrom = applyFrom;
    this.#isApplied = isApplied;
  }

  /** Whether the operations of this entry, which is not after the restore time, are to be applied. */
  applies(entry: OplogEntry): boolean {
    const role = transactionRole(entry);
    const chain = role && this.#chains.step(entry, role);
    return chain
      ? this.#isApplied(transactionKey(entry), chain.first)
      : compareTimestamps(entry.opTime.ts, this.#applyFrom) > 0;
  }
}

import fc from 'fast-check';
import { Timestamp } from 'mongodb';
import { describe, expect, it } from 'vitest';
import type { OpTime } from '../../../src/domain/timestamp.ts';
import type { OplogEntry } from '../../../src/engine/oplog/oplog-entry.ts';
import { TransactionDecisions } from '../../../src/engine/replay/transactions.ts';
import { at, entry, transactionEntry } from '../../support/oplog-entries.ts';

const commit = (i: number) => ({ commitTransaction: 1, commitTimestamp: new Timestamp({ t: 100, i }) });

/** The increments of the entries whose operations are applied. */
function applied(entries: readonly OplogEntry[], bounds: { applyFrom: number; restoreTime: number }): number[] {
  const decisions = new TransactionDecisions({
    applyFrom: at(bounds.applyFrom).ts,
    restoreTime: at(bounds.restoreTime).ts,
  });
  for (const one of entries) decisions.observe(one);
  decisions.close();
  const reader = decisions.reader();
  return entries
    .filter(({ opTime }) => opTime.ts.i <= bounds.restoreTime)
    .filter((one) => reader.applies(one))
    .map(({ opTime }) => opTime.ts.i);
}

/** One transaction of the model: how it ends, and at which increments its entries are. */
interface Modelled {
  readonly number: number;
  readonly at: readonly number[];
  readonly end: 'apply' | 'commit' | 'abort' | 'open';
  readonly commitAt: number;
}

function entriesOf({ number, at: places, end, commitAt }: Modelled): [number, OplogEntry][] {
  let previous: OpTime | undefined;
  return places.map((i, n) => {
    const last = n === places.length - 1;
    const prepares = (end === 'commit' || end === 'abort') && n === places.length - 2;
    const ends = {
      apply: { applyOps: [] },
      commit: commit(commitAt),
      abort: { abortTransaction: 1 },
      open: { applyOps: [], partialTxn: true },
    };
    const o = last ? ends[end] : { applyOps: [], ...(prepares ? { prepare: true } : { partialTxn: true }) };
    const made = transactionEntry(i, number, previous, o);
    previous = made.opTime;
    return [i, made];
  });
}

/** Which of its entries a restore applies, straight from the rules, knowing the whole transaction. */
function expectedOf(one: Modelled, applyFrom: number, restoreTime: number): number[] {
  const end = one.at.at(-1) ?? 0;
  const decisive = one.end === 'commit' ? one.commitAt : end;
  const carried = (one.end === 'commit' || one.end === 'apply') && decisive <= restoreTime && end > applyFrom;
  return carried ? one.at.filter((i) => i <= restoreTime && !(one.end === 'commit' && i === end)) : [];
}

const modelled = fc
  .array(
    fc.record({
      size: fc.integer({ min: 1, max: 4 }),
      end: fc.constantFrom('apply' as const, 'commit' as const, 'abort' as const, 'open' as const),
      early: fc.nat(3),
    }),
    { minLength: 1, maxLength: 5 },
  )
  .chain((shapes) => {
    const sizes = shapes.map(({ size, end }) => (end === 'commit' || end === 'abort' ? Math.max(2, size) : size));
    const owners = sizes.flatMap((size, n) => Array.from({ length: size }, () => n));
    return fc.shuffledSubarray(owners, { minLength: owners.length, maxLength: owners.length }).map((order) =>
      shapes.map(({ end, early }, n): Modelled => {
        const places = order.flatMap((owner, i) => (owner === n ? [i + 1] : []));
        // A commitTimestamp lies between the prepare and the commit entry.
        const [prepared = 0, last = 0] = places.slice(-2);
        return { number: n, at: places, end, commitAt: Math.max(prepared, last - early) };
      }),
    );
  });

describe('which transactions are restored', () => {
  it('is what the rules say of each transaction as a whole, wherever its entries lie', () => {
    fc.assert(
      fc.property(modelled, fc.nat(20), fc.nat(20), (transactions, a, b) => {
        const [applyFrom, restoreTime] = [Math.min(a, b), Math.max(a, b)];
        const undecided = transactions.some(({ end, at: places }) => end === 'open' && places.length === 0);
        fc.pre(!undecided);
        const entries = transactions.flatMap(entriesOf).sort(([x], [y]) => x - y);
        const wanted = transactions.flatMap((one) => expectedOf(one, applyFrom, restoreTime)).sort((x, y) => x - y);
        const commits = new Set(
          transactions.flatMap(({ end, at: places }) => (end === 'commit' ? places.slice(-1) : [])),
        );
        const found = applied(
          entries.map(([, one]) => one),
          { applyFrom, restoreTime },
        ).filter((i) => !commits.has(i));
        expect(found).toEqual(wanted);
      }),
      { numRuns: 1000 },
    );
  });

  it('includes a prepared one whose commitTimestamp is the restore time and whose commit entry is later', () => {
    const entries = [
      transactionEntry(1, 1, undefined, { applyOps: [], prepare: true }),
      entry(2, { op: 'n', ns: '', o: {} }),
      transactionEntry(3, 1, at(1), commit(2)),
    ];
    expect(applied(entries, { applyFrom: 0, restoreTime: 2 })).toEqual([1, 2]);
    expect(applied(entries, { applyFrom: 0, restoreTime: 1 })).toEqual([]);
  });

  it('fails for a prepared one that nothing decides', () => {
    const entries = [transactionEntry(1, 1, undefined, { applyOps: [], prepare: true })];
    expect(() => applied(entries, { applyFrom: 0, restoreTime: 2 })).toThrow(
      expect.objectContaining({ name: 'OplogGap' }) as Error,
    );
  });

  it('fails for one that began before the captured oplog, unless it ended before the base', () => {
    const entries = [transactionEntry(5, 1, at(3), { applyOps: [] })];
    expect(() => applied(entries, { applyFrom: 4, restoreTime: 9 })).toThrow(/began before the captured oplog/);
    expect(applied(entries, { applyFrom: 5, restoreTime: 9 })).toEqual([]);
  });

  it('takes a vectored insert for no transaction', () => {
    const insert = entry(1, { op: 'c', ns: 'admin.$cmd', o: { applyOps: [] }, multiOpType: 1, txnNumber: 1, lsid: {} });
    expect(applied([insert], { applyFrom: 0, restoreTime: 2 })).toEqual([1]);
  });

  it('refuses an entry of a transaction that has no session', () => {
    const lost = entry(1, { op: 'c', ns: 'admin.$cmd', o: { applyOps: [], partialTxn: true } });
    expect(() => applied([lost], { applyFrom: 0, restoreTime: 2 })).toThrow(/UnsupportedOplogEntry|without a session/);
  });
});

import { HoldfastError } from '../../domain/errors.ts';
import type { OpTime } from '../../domain/timestamp.ts';
import { bsonType, elements, findElement, findElements, type RawElement } from '../bson/raw-document.ts';
import {
  readBinary,
  readFlag,
  readInt64,
  readNumber,
  readOpTime,
  readString,
  readTimestamp,
  subDocument,
} from '../bson/raw-values.ts';

/** Of an oplog entry what decides about it; the rest stays bytes. All buffers are views of `raw`. */
export interface OplogEntry {
  readonly raw: Buffer;
  readonly opTime: OpTime;
  /** `i`, `u`, `d`, `c`, `n`, and kinds of later servers. */
  readonly op: string;
  readonly ns: string;
  /** UUID of the collection, 32 hex digits. */
  readonly ui: string | undefined;
  /** The operation and what it is about; undefined where the entry has none. */
  readonly o: Buffer | undefined;
  readonly o2: Buffer | undefined;
  /** Of an `op: c`: the name of the first field of `o`, which is the command. */
  readonly command: string | undefined;
  /** Identifies a session together with `txnNumber`; raw, because equality is all that counts. */
  readonly lsid: Buffer | undefined;
  readonly txnNumber: bigint | undefined;
  /** The entry before in the same session; undefined for none. */
  readonly prevOpTime: OpTime | undefined;
  /** 1 is a vectored insert (8.0), not a transaction (consistency rule 10). */
  readonly multiOpType: number | undefined;
  /** `applyOps` only: the transaction is prepared by this entry. */
  readonly prepare: boolean;
  /** `applyOps` only: more entries of the transaction follow. */
  readonly partialTxn: boolean;
}

/** What an entry is to a transaction (reference: mongodb-verified.md §6): undefined when it is none of its entries. */
export type TransactionRole = 'partial' | 'prepare' | 'apply' | 'commit' | 'abort';

type Writable<T> = { -readonly [K in keyof T]: T[K] };
type Draft = Partial<Writable<OplogEntry>> & { ts?: OpTime['ts']; term?: number };

const readers: Readonly<Record<string, (draft: Draft, raw: Buffer, element: RawElement) => void>> = {
  ts: (draft, raw, element) => (draft.ts = readTimestamp(raw, element)),
  t: (draft, raw, element) => (draft.term = readNumber(raw, element)),
  op: (draft, raw, element) => (draft.op = readString(raw, element)),
  ns: (draft, raw, element) => (draft.ns = readString(raw, element)),
  ui: (draft, raw, element) => (draft.ui = readBinary(raw, element).toString('hex')),
  o: (draft, raw, element) => (draft.o = subDocument(raw, element)),
  o2: (draft, raw, element) => (draft.o2 = subDocument(raw, element)),
  lsid: (draft, raw, element) => (draft.lsid = subDocument(raw, element)),
  txnNumber: (draft, raw, element) => (draft.txnNumber = readInt64(raw, element)),
  prevOpTime: (draft, raw, element) => (draft.prevOpTime = readOpTime(raw, element)),
  multiOpType: (draft, raw, element) => (draft.multiOpType = readNumber(raw, element)),
};

function readCommand(o: Buffer): { command: string | undefined; prepare: boolean; partialTxn: boolean } {
  let command: string | undefined;
  const flags = { prepare: false, partialTxn: false };
  for (const element of elements(o)) {
    command ??= element.name;
    if (command !== 'applyOps') break;
    if (element.name === 'prepare' || element.name === 'partialTxn') flags[element.name] = readFlag(o, element);
  }
  return { command, ...flags };
}

/**
 * Reads one whole entry, not decoding its operation.
 * @throws CorruptSource when the bytes are no BSON document with `ts`, `t` and `op`
 */
export function readOplogEntry(raw: Buffer): OplogEntry {
  const draft: Draft = {};
  for (const element of elements(raw))
    if (Object.hasOwn(readers, element.name)) readers[element.name]?.(draft, raw, element);
  const { ts, op } = draft;
  if (!ts || op === undefined) throw new HoldfastError('CorruptSource', 'An oplog entry has no ts or no op.');
  const command =
    op === 'c' && draft.o ? readCommand(draft.o) : { command: undefined, prepare: false, partialTxn: false };
  return {
    raw,
    // Entries without a term were written before protocol version 1: -1, as the server's own uninitialised term.
    opTime: { ts, t: draft.term ?? -1 },
    op,
    ns: draft.ns ?? '',
    ui: draft.ui,
    o: draft.o,
    o2: draft.o2,
    lsid: draft.lsid,
    txnNumber: draft.txnNumber,
    prevOpTime: draft.prevOpTime,
    multiOpType: draft.multiOpType,
    ...command,
  };
}

const opTimeNames = ['ts', 't'] as const;

/**
 * Only when the entry was written: a sixth of the work of {@link readOplogEntry}, where nothing else is looked at.
 * @throws CorruptSource when the bytes are no BSON document with `ts`
 */
export function readEntryOpTime(raw: Buffer): OpTime {
  const [ts, term] = findElements(raw, opTimeNames);
  if (!ts) throw new HoldfastError('CorruptSource', 'An oplog entry has no ts.');
  return { ts: readTimestamp(raw, ts), t: term ? readNumber(raw, term) : -1 };
}

/** Consistency rules 6, 7 and 10. */
export function transactionRole(entry: OplogEntry): TransactionRole | undefined {
  if (entry.op !== 'c' || entry.lsid === undefined || entry.txnNumber === undefined) return undefined;
  if (entry.command === 'commitTransaction') return 'commit';
  if (entry.command === 'abortTransaction') return 'abort';
  if (entry.command !== 'applyOps' || entry.multiOpType === 1) return undefined;
  if (entry.partialTxn) return 'partial';
  return entry.prepare ? 'prepare' : 'apply';
}

/** Equal for entries of the same transaction, and only for them. Call it for entries with a {@link transactionRole}. */
export function transactionKey(entry: OplogEntry): string {
  return `${entry.lsid?.toString('hex') ?? ''}:${entry.txnNumber ?? ''}`;
}

/** An FCV change is a write of that document (consistency rule 9). */
export function changesFeatureCompatibilityVersion(entry: OplogEntry): boolean {
  if (entry.ns !== 'admin.system.version') return false;
  const document = entry.o2 ?? entry.o;
  const id = document && findElement(document, '_id');
  return id?.type === bsonType.string && readString(document as Buffer, id) === 'featureCompatibilityVersion';
}

import { HoldfastError } from '../../domain/errors.ts';
import type { OpTime } from '../../domain/timestamp.ts';
import { bsonType, ElementCursor } from '../bson/raw-document.ts';
import { readNumber, readTimestamp } from '../bson/raw-values.ts';

/** Of an entry, or of one operation of a transaction, what can be told without making anything of what it does. */
export interface OperationHead {
  /** `i`, `u`, `d`, `c`, `n`; empty for kinds of later servers, which have more letters. */
  op: string;
  /** Where the 16 bytes of the collection's UUID begin in the buffer that it was read from. */
  ui: number | undefined;
  /** Where the document begins that says what it does. */
  o: number | undefined;
}

export interface EntryHead extends OperationHead {
  /** Without a term: -1, as in `readOplogEntry`. */
  opTime: OpTime;
  /** After the entry. */
  end: number;
  /** After `lsid` and `txnNumber`, where the entry begins with these two. */
  session: number | undefined;
  /** Applying a findAndModify that may be tried again stores the document of before or after, under its session. */
  needsRetryImage: boolean;
}

const letters: readonly string[] = Array.from({ length: 128 }, (_, code) => String.fromCharCode(code));
const uuidBytes = 16;

const isUuid = (buffer: Buffer, { type, value }: ElementCursor) =>
  type === bsonType.binary && buffer.readInt32LE(value) === uuidBytes;

/** Of a string of one letter. */
const readLetter = (buffer: Buffer, value: number) =>
  buffer.readInt32LE(value) === 2 ? (letters[buffer[value + 4] ?? 0] ?? '') : '';

/** @returns whether it is one of the elements that are looked for */
function takeOperation(head: OperationHead, buffer: Buffer, cursor: ElementCursor): boolean {
  const { type, value } = cursor;
  if (cursor.isNamed('op') && type === bsonType.string) head.op = readLetter(buffer, value);
  else if (cursor.isNamed('ui') && isUuid(buffer, cursor)) head.ui ??= value + 5;
  else if (cursor.isNamed('o') && type === bsonType.document) head.o ??= value;
  else return false;
  return true;
}

/** @throws CorruptSource when the bytes are no BSON document */
export function readOperationHead(buffer: Buffer, offset: number): OperationHead {
  const head: OperationHead = { op: '', ui: undefined, o: undefined };
  for (const cursor = new ElementCursor(buffer, offset); cursor.next();) takeOperation(head, buffer, cursor);
  return head;
}

/**
 * A tenth of the work of `readOplogEntry`, where millions of entries are gone through.
 * @throws CorruptSource when the bytes are no BSON document with `ts`
 */
export function readEntryHead(buffer: Buffer, offset: number): EntryHead {
  const operation: OperationHead = { op: '', ui: undefined, o: undefined };
  let ts: OpTime['ts'] | undefined;
  let t = -1;
  let [lsid, session]: (number | undefined)[] = [];
  let needsRetryImage = false;
  const cursor = new ElementCursor(buffer, offset);
  while (cursor.next()) {
    if (takeOperation(operation, buffer, cursor)) continue;
    if (cursor.isNamed('ts')) ts ??= readTimestamp(buffer, cursor.element('ts'));
    else if (cursor.isNamed('t')) t = readNumber(buffer, cursor.element('t'));
    else if (cursor.start === offset + 4 && cursor.isNamed('lsid')) lsid = cursor.end;
    else if (cursor.start === lsid && cursor.isNamed('txnNumber')) session = cursor.end;
    else if (cursor.isNamed('needsRetryImage')) needsRetryImage = true;
  }
  if (!ts) throw new HoldfastError('CorruptSource', 'An oplog entry has no ts.');
  return { ...operation, opTime: { ts, t }, end: cursor.end + 1, session, needsRetryImage };
}

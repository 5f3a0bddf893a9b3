import { BSON, type Document, MongoNetworkError, MongoServerError } from 'mongodb';
import { HoldfastError } from '../../domain/errors.ts';
import { documentLength, findElement } from '../bson/raw-document.ts';

/** OP_MSG, the message of every command since MongoDB 3.6 (mongodb.com/docs/manual/reference/mongodb-wire-protocol). */

const opMsg = 2013;
const bodyKind = 0;
const sequenceKind = 1;
/** Header and flags. */
const prefixBytes = 20;
const moreToCome = 2;

/** A command as the section of a message. @param command with `$db`, its name first */
export function commandSection(command: Document): Buffer {
  const body = BSON.serialize(command);
  const section = Buffer.allocUnsafe(1 + body.length);
  section[0] = bodyKind;
  section.set(body, 1);
  return section;
}

/**
 * The start of a section that is a field of the command as a sequence of documents; the documents follow, as they are,
 * as further parts of the request.
 * @param bytes of all documents together
 */
export function sequenceSectionHead(field: string, bytes: number): Buffer {
  const name = Buffer.from(`${field}\0`);
  const head = Buffer.allocUnsafe(5 + name.length);
  head[0] = sequenceKind;
  head.writeInt32LE(4 + name.length + bytes, 1);
  head.set(name, 5);
  return head;
}

/** What goes before the sections. */
export function messagePrefix(requestId: number, sections: readonly Buffer[]): Buffer {
  const prefix = Buffer.alloc(prefixBytes);
  prefix.writeInt32LE(
    sections.reduce((sum, { length }) => sum + length, prefixBytes),
    0,
  );
  prefix.writeInt32LE(requestId, 4);
  prefix.writeInt32LE(opMsg, 12);
  return prefix;
}

/**
 * The document of a reply, where it lies.
 * @throws MongoNetworkError when the message is no reply to that request
 */
export function replyBody(message: Buffer, requestId: number): Buffer {
  const isReply =
    message.length > prefixBytes + 5 &&
    message.readInt32LE(8) === requestId &&
    message.readInt32LE(12) === opMsg &&
    (message.readUInt32LE(16) & moreToCome) === 0 &&
    message[prefixBytes] === bodyKind;
  if (!isReply) throw new MongoNetworkError('a message came that is no reply to what was asked');
  const start = prefixBytes + 1;
  return message.subarray(start, start + documentLength(message, start));
}

/** @throws MongoServerError, as the driver does, when the reply says that the command failed; CorruptSource without `ok` */
export function requireOk(body: Buffer): void {
  const ok = findElement(body, 'ok');
  if (!ok) throw new HoldfastError('CorruptSource', 'A reply does not say whether the command succeeded.');
  // A double, an int or a boolean: succeeded unless all its bytes are zero.
  if (body.subarray(ok.value, ok.end).some((byte) => byte !== 0)) return;
  throw new MongoServerError(BSON.deserialize(body));
}

import type { Document } from 'mongodb';
import { HoldfastError } from '../../domain/errors.ts';
import { splitNamespace } from '../../domain/names.ts';
import { documentLength } from '../bson/raw-document.ts';
import { splitDocuments } from '../bson/raw-values.ts';
import { idOf } from '../bson/raw-writer.ts';
import { commandSection, sequenceSectionHead } from '../wire/op-msg.ts';
import { askTarget, type BulkTarget } from './ask-target.ts';
import { rawDocument } from './raw-command.ts';
import { atTarget, noPrimary, saysNoPrimary } from './target-errors.ts';

/** A frame of the usual size is one batch; a message may have 48 MB. */
const maxBatchBytes = 16 * 1024 * 1024;
/** The server's maxWriteBatchSize. */
const maxBatchDocuments = 100_000;

/** Cuts whole documents into batches for one insert each, as views; a larger document is a batch of its own. */
export function* splitBatches(raw: Buffer): Generator<{ readonly bytes: Buffer; readonly documents: number }> {
  let start = 0;
  let documents = 0;
  let at = 0;
  while (at < raw.length) {
    const length = documentLength(raw, at);
    if (documents > 0 && (at + length - start > maxBatchBytes || documents === maxBatchDocuments)) {
      yield { bytes: raw.subarray(start, at), documents };
      start = at;
      documents = 0;
    }
    documents++;
    at += length;
  }
  if (documents > 0) yield { bytes: raw.subarray(start, at), documents };
}

interface InsertReply extends Document {
  readonly n?: number;
  readonly writeErrors?: readonly WriteError[];
}

interface WriteError {
  /** Of the document in the batch. */
  readonly index: number;
  readonly code?: number;
  readonly errmsg?: string;
}

const duplicateKey = 11_000;

/** @returns how many documents were there already, by their `_id`: no other unique index exists yet */
function checkReply(ns: string, documents: number, { n, writeErrors = [] }: InsertReply): number {
  const refused = writeErrors.find(({ code }) => code !== duplicateKey);
  if (refused) {
    if (saysNoPrimary(refused.code)) throw noPrimary(`an insert into ${ns}`, refused.errmsg ?? '', refused.code);
    const text = `${(refused.errmsg ?? '').slice(0, 500)} (code ${refused.code ?? 0})`;
    throw new HoldfastError('RestoreRejected', `The target rejected a document of ${ns}: ${text}.`, {
      details: { ns, code: refused.code ?? 0, rejected: writeErrors.length },
    });
  }
  if ((n ?? 0) + writeErrors.length !== documents)
    throw new HoldfastError('RestoreRejected', `The target took ${n ?? 0} of ${documents} documents of ${ns}.`);
  return writeErrors.length;
}

function insertBatch(target: BulkTarget, ns: string, bytes: Buffer, ordered: boolean): Promise<InsertReply> {
  const { db, coll } = splitNamespace(ns);
  const options = { ordered, bypassDocumentValidation: true, writeConcern: { w: 1 }, $db: db };
  const command = commandSection({ insert: coll, ...options });
  return askTarget(target, `an insert into ${ns}`, [command, sequenceSectionHead('documents', bytes.length), bytes]);
}

/**
 * Inserts whole raw documents, never decoded; every one must be taken. Durability is awaited once, at the end of all.
 * @returns how many were not inserted, because a document with their `_id` is there: one that was deleted and inserted
 * again while the source was read comes twice, and replay makes the later one of it
 * @throws RestoreRejected naming the namespace and the target's error; TargetUnreachable
 */
export async function insertDocuments(target: BulkTarget, ns: string, raw: Buffer): Promise<number> {
  let repeated = 0;
  for (const { bytes, documents } of splitBatches(raw))
    repeated += checkReply(ns, documents, await insertBatch(target, ns, bytes, false));
  return repeated;
}

/**
 * The same for a capped collection, in order. A document that comes again takes its later place.
 * @returns how many came again
 * @throws RestoreRejected, TargetUnreachable
 */
export async function insertInOrder(target: BulkTarget, ns: string, raw: Buffer): Promise<number> {
  let repeated = 0;
  for (const { bytes } of splitBatches(raw)) {
    let rest = [...splitDocuments(bytes)];
    while (rest.length > 0) {
      const reply = await insertBatch(target, ns, Buffer.concat(rest), true);
      const [error] = reply.writeErrors ?? [];
      const taken = error?.index ?? rest.length;
      checkReply(ns, taken + (error ? 1 : 0), reply);
      rest = rest.slice(taken);
      if (!error || !rest[0]) continue;
      repeated++;
      await deleteById(target, ns, rest[0]);
    }
  }
  return repeated;
}

async function deleteById({ client }: BulkTarget, ns: string, document: Buffer): Promise<void> {
  const { db, coll } = splitNamespace(ns);
  const q = rawDocument(idOf(document));
  await atTarget(`a delete from ${ns}`, () => client.db(db).command({ delete: coll, deletes: [{ q, limit: 1 }] }));
}

import type { Document, Long, MongoClient } from 'mongodb';
import { HoldfastError } from '../../domain/errors.ts';
import { splitNamespace } from '../../domain/names.ts';
import { documentLength } from '../bson/raw-document.ts';
import { documentSequence } from './raw-command.ts';
import { atTarget } from './target-errors.ts';

/** Small enough that several connections stay within the worker's memory: a batch is copied twice on its way out. */
const maxBatchBytes = 4 * 1024 * 1024;
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
  readonly n?: number | Long;
  readonly writeErrors?: readonly { readonly code?: number; readonly errmsg?: string }[];
}

function checkReply(ns: string, documents: number, reply: InsertReply): void {
  const [first] = reply.writeErrors ?? [];
  if (first) {
    const text = `${(first.errmsg ?? '').slice(0, 500)} (code ${first.code ?? 0})`;
    throw new HoldfastError('RestoreRejected', `The target rejected a document of ${ns}: ${text}.`, {
      details: { ns, code: first.code ?? 0, rejected: reply.writeErrors?.length ?? 0 },
    });
  }
  if (Number(reply.n) !== documents)
    throw new HoldfastError(
      'RestoreRejected',
      `The target took ${Number(reply.n)} of ${documents} documents of ${ns}.`,
    );
}

/**
 * Inserts whole raw documents, never decoded; every one must be taken. Durability is awaited once, at the end of all.
 * @throws RestoreRejected naming the namespace and the target's error; TargetUnreachable
 */
export async function insertDocuments(client: MongoClient, ns: string, raw: Buffer): Promise<void> {
  const { db, coll } = splitNamespace(ns);
  for (const { bytes, documents } of splitBatches(raw)) {
    const command = {
      insert: coll,
      ordered: false,
      bypassDocumentValidation: true,
      writeConcern: { w: 1 },
      documents: documentSequence('documents', bytes),
    };
    const reply = await atTarget(`an insert into ${ns}`, () => client.db(db).command(command));
    checkReply(ns, documents, reply);
  }
}

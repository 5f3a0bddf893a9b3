import { BSON, type Document, type MongoClient, MongoServerError } from 'mongodb';
import { giveBackWireConnection, takeWireConnection } from '../wire/wire-connections.ts';
import { atTarget } from './target-errors.ts';

/** The one server that takes what is restored in bulk, over connections of our own: without the driver's copies. */
export interface BulkTarget {
  readonly client: MongoClient;
  /** `host:port`, where the client does not connect to one server directly. */
  readonly host: string | undefined;
  readonly signal: AbortSignal;
}

/**
 * Sends one command, once: whoever gets an error does not know whether it was carried out.
 * @param sections of the message, see engine/wire/op-msg.ts
 * @returns its reply; errors of single writes are in it
 * @throws RestoreRejected, also for an error of the write concern; TargetUnreachable; the signal's reason
 */
export async function askTarget(
  { client, host, signal }: BulkTarget,
  what: string,
  sections: readonly Buffer[],
): Promise<Document> {
  return atTarget(what, async () => {
    try {
      const connection = await takeWireConnection(client, signal, host);
      try {
        const { body, release } = await connection.request(sections, signal);
        const reply = BSON.deserialize(body);
        release();
        if (reply['writeConcernError']) throw new MongoServerError(reply['writeConcernError'] as Document);
        return reply;
      } finally {
        giveBackWireConnection(client, connection);
      }
    } catch (error) {
      signal.throwIfAborted();
      throw error;
    }
  });
}

import { type Document, MongoClient, type MongoClientOptions } from 'mongodb';
import { Connection } from 'mongodb/lib/cmap/connection.js';

/**
 * The pinned driver (7.9.0) waits for the socket's `drain` after a write that the socket did not take, and listens for
 * `error` but not for `close`. A socket that is destroyed without an error (its end was read, a `socketTimeoutMS` ran out,
 * the monitor interrupted the pool, the client was closed) emits neither: the command would wait for ever, and the
 * backup or restore with it. A connection that closes ends the wait here. Shown by
 * test/contract/driver-connection.test.ts, to be dropped when that passes without.
 */
const { writeCommand, command } = Connection.prototype;
Connection.prototype.writeCommand = async function (this: Connection, ...args): Promise<void> {
  const closed = Promise.withResolvers<never>();
  const onClose = (): void => {
    closed.reject(this.error);
  };
  this.once('close', onClose);
  try {
    await Promise.race([writeCommand.apply(this, args), closed.promise]);
  } finally {
    this.off('close', onClose);
  }
};

/** Times `connectTimeoutMS` that a step of a login may take: a server may have to ask others, with ten seconds for each (LDAP). */
const loginPatience = 6;
/** The driver's, milliseconds. */
const usualConnectTimeout = 30_000;

/**
 * It says hello within `connectTimeoutMS`, but logs in without a limit of time, and a connection that logs in is in no list
 * of those that the monitor interrupts or the client closes: who waits for it would wait for ever, also after `close`.
 */
Connection.prototype.command = async function (this: Connection, ns, document, options, ...rest): Promise<Document> {
  if (this.established || !this.authContext) return command.call(this, ns, document, options, ...rest);
  const { connectTimeoutMS, cancellationToken } = this.authContext.options;
  const onCancel = (): void => {
    this.destroy();
  };
  cancellationToken?.once('cancel', onCancel);
  try {
    const socketTimeoutMS = loginPatience * (connectTimeoutMS ?? usualConnectTimeout);
    return await command.call(this, ns, document, { socketTimeoutMS, ...options }, ...rest);
  } finally {
    cancellationToken?.off('cancel', onCancel);
  }
};

/** The only place of the product that makes clients: none without what this file mends. Connects to nothing yet. */
export function createMongoClient(url: string, options: MongoClientOptions = {}): MongoClient {
  return new MongoClient(url, options);
}

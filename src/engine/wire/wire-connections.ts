import { type MongoClient, MongoNetworkError } from 'mongodb';
import { openAuthenticatedSocket } from './authenticated-socket.ts';
import { ReplyMemory } from './reply-memory.ts';
import { WireConnection } from './wire-connection.ts';

const closed = 'the client was closed';

/** The connections of one client: used again, and ended when the client finds the server gone, or is closed. */
class WireConnections {
  readonly #client: MongoClient;
  readonly #memory = new ReplyMemory();
  readonly #all = new Set<WireConnection>();
  readonly #idle = new Set<WireConnection>();
  #closings = 0;

  constructor(client: MongoClient) {
    this.#client = client;
    // The driver's monitor tells servers that answer nothing any more: a command would wait for ever.
    client.on('connectionPoolCleared', ({ address, interruptInUseConnections }) => {
      const lost = interruptInUseConnections === true ? this.#all : this.#idle;
      for (const connection of [...lost])
        if (connection.address === address) this.#end(connection, `connection to ${address} was interrupted`);
    });
    client.on('topologyClosed', () => {
      this.#closings += 1;
      for (const connection of [...this.#all]) this.#end(connection, closed);
    });
  }

  #end(connection: WireConnection, why: string): void {
    this.#all.delete(connection);
    this.#idle.delete(connection);
    connection.fail(new MongoNetworkError(why));
  }

  async take(host: string | undefined, signal: AbortSignal): Promise<WireConnection> {
    signal.throwIfAborted();
    // The driver writes names of hosts in lower case, `hello.me` as the set's configuration does.
    const address = host?.toLowerCase() ?? this.#client.options.hosts[0]?.toString();
    for (const connection of this.#idle) {
      if (connection.address !== address) continue;
      this.#idle.delete(connection);
      if (connection.isUsable) return connection;
      this.#all.delete(connection);
    }
    const closings = this.#closings;
    const connection = new WireConnection(await openAuthenticatedSocket(this.#client, host, signal), this.#memory);
    if (this.#closings === closings) this.#all.add(connection);
    else this.#end(connection, closed);
    return connection;
  }

  giveBack(connection: WireConnection): void {
    if (!connection.isUsable) this.#end(connection, 'given up');
    else if (this.#all.has(connection)) this.#idle.add(connection);
  }
}

const connectionsOf = new WeakMap<MongoClient, WireConnections>();

function connections(client: MongoClient): WireConnections {
  const known = connectionsOf.get(client) ?? new WireConnections(client);
  connectionsOf.set(client, known);
  return known;
}

/**
 * A connection for the caller alone until it is given back.
 * @param host `host:port`; left out: the server of a client that is connected directly
 * @throws MongoNetworkError, MongoServerError (authentication); the signal's reason when aborted
 */
export function takeWireConnection(client: MongoClient, signal: AbortSignal, host?: string): Promise<WireConnection> {
  return connections(client).take(host, signal);
}

/** One that waits for a reply, or has failed, is closed. */
export function giveBackWireConnection(client: MongoClient, connection: WireConnection): void {
  connections(client).giveBack(connection);
}

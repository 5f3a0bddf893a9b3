import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { findFreePort } from '../../local/servers/free-port.ts';

/** A proxy of 127.0.0.1 in front of a server, which breaks connections on demand. Its port stays the same all the time. */
export interface TcpProxy {
  /** `127.0.0.1:port` */
  readonly host: string;
  readonly port: number;
  /** How many connections are open. */
  readonly connections: number;
  /** Leads new connections to another port; open ones stay where they are. */
  leadTo(port: number): void;
  /** When so many more bytes of clients have passed, in the middle of a request: drops; resolves when that has happened. */
  afterRequests(requestBytes: number): Promise<undefined>;
  /** Resets (RST) every open connection now. */
  drop(): void;
  /** Refuses new connections from now on; open ones stay. */
  refuse(): Promise<void>;
  /** Takes new connections again. */
  accept(): Promise<void>;
  /** From now on nothing passes, in either direction; new connections are taken and stand still too. */
  stall(): void;
  /** Lets what stood still go on. */
  release(): void;
  /**
   * When so many more bytes of the server have passed, in the middle of a reply: everything stalls, or is reset, or one
   * direction ends, or only the connection of that reply stalls. Resolves when that has happened.
   */
  after(replyBytes: number, fault: 'stall' | 'drop' | 'halfClose' | 'freeze'): Promise<undefined>;
  /** Bytes of the server per second and connection; undefined for no limit. */
  slow(bytesPerSecond: number | undefined): void;
  /** Ends the direction from server to client (FIN) on every open connection; the other one stays open. */
  halfClose(): void;
  close(): Promise<void>;
}

interface Faults {
  stalled: boolean;
  bytesPerSecond: number | undefined;
  /** Bytes that still pass before the fault. */
  left: number;
  trigger: (connection: Connection) => void;
  /** Bytes of clients that still pass before everything is dropped, and what does that. */
  requestsLeft: number;
  cut: () => void;
}

/** One connection: what the client sends passes as it is; replies are counted, slowed down and cut. */
class Connection {
  readonly #client: Socket;
  readonly #server: Socket;
  readonly #faults: Faults;
  #waiting: Buffer[] = [];
  #sending = false;
  #frozen = false;

  constructor(client: Socket, port: number, faults: Faults, onEnd: () => void) {
    this.#client = client;
    this.#faults = faults;
    this.#server = connect({ port, host: '127.0.0.1', allowHalfOpen: true, noDelay: true });
    client.on('data', (chunk) => {
      this.#server.write(chunk.subarray(0, faults.requestsLeft));
      faults.requestsLeft -= chunk.length;
      if (faults.requestsLeft <= 0) faults.cut();
    });
    client.on('end', () => this.#server.end());
    this.#server.on('data', (chunk) => {
      this.#waiting.push(chunk);
      void this.#send();
    });
    this.#server.on('end', () => client.end());
    for (const [end, other] of [
      [client, this.#server],
      [this.#server, client],
    ] as const) {
      end.on('error', () => other.resetAndDestroy());
      end.on('close', () => {
        other.destroy();
        onEnd();
      });
    }
    if (faults.stalled) this.stall();
  }

  async #send(): Promise<void> {
    if (this.#sending) return;
    this.#sending = true;
    this.#server.pause();
    for (let chunk = this.#waiting.shift(); chunk; chunk = this.#waiting.shift()) {
      const { left, bytesPerSecond, trigger } = this.#faults;
      const passed = chunk.subarray(0, left);
      const flushed = this.#isStalled() || this.#client.destroyed || this.#client.write(passed);
      if (this.#isStalled()) {
        this.#waiting.unshift(chunk);
        break;
      }
      this.#faults.left -= passed.length;
      if (passed.length < chunk.length) {
        this.#waiting.unshift(chunk.subarray(passed.length));
        trigger(this);
        continue;
      }
      if (bytesPerSecond !== undefined) await delay((passed.length * 1000) / bytesPerSecond);
      else if (!flushed) await once(this.#client, 'drain').catch(() => undefined);
    }
    this.#sending = false;
    if (!this.#isStalled()) this.#server.resume();
  }

  #isStalled(): boolean {
    return this.#frozen || this.#faults.stalled;
  }

  freeze(): void {
    this.#frozen = true;
    this.stall();
  }

  stall(): void {
    this.#client.pause();
    this.#server.pause();
  }

  release(): void {
    this.#frozen = false;
    this.#client.resume();
    this.#server.resume();
    void this.#send();
  }

  halfClose(): void {
    this.#client.end();
  }

  drop(): void {
    this.#waiting = [];
    this.#client.resetAndDestroy();
    this.#server.destroy();
  }
}

async function listen(server: Server, port: number): Promise<void> {
  server.listen({ port, host: '127.0.0.1' });
  await once(server, 'listening');
}

/** @param target the port that it leads to */
export async function startTcpProxy(target: number): Promise<TcpProxy> {
  const port = await findFreePort();
  const open = new Set<Connection>();
  const faults: Faults = {
    stalled: false,
    bytesPerSecond: undefined,
    left: Infinity,
    trigger: () => undefined,
    requestsLeft: Infinity,
    cut: () => undefined,
  };
  let leadsTo = target;
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
    const connection = new Connection(client, leadsTo, faults, () => open.delete(connection));
    open.add(connection);
  });
  await listen(server, port);
  const each = (act: (connection: Connection) => void) => {
    for (const connection of [...open]) act(connection);
  };
  const proxy: TcpProxy = {
    ...{ host: `127.0.0.1:${port}`, port },
    get connections() {
      return open.size;
    },
    leadTo: (other) => {
      leadsTo = other;
    },
    afterRequests: (requestBytes) =>
      new Promise((resolve) => {
        faults.requestsLeft = requestBytes;
        faults.cut = () => {
          faults.requestsLeft = Infinity;
          proxy.drop();
          resolve(undefined);
        };
      }),
    drop: () => {
      each((connection) => {
        connection.drop();
      });
    },
    refuse: () => {
      server.close();
      return Promise.resolve();
    },
    accept: () => listen(server, port),
    stall: () => {
      faults.stalled = true;
      each((connection) => {
        connection.stall();
      });
    },
    release: () => {
      faults.stalled = false;
      each((connection) => {
        connection.release();
      });
    },
    after: (replyBytes, fault) =>
      new Promise((resolve) => {
        faults.left = replyBytes;
        faults.trigger = (connection) => {
          faults.left = Infinity;
          if (fault === 'freeze') connection.freeze();
          else proxy[fault]();
          resolve(undefined);
        };
      }),
    slow: (bytesPerSecond) => {
      faults.bytesPerSecond = bytesPerSecond;
    },
    halfClose: () => {
      each((connection) => {
        connection.halfClose();
      });
    },
    close: async () => {
      const closed = server.listening ? once(server, 'close') : undefined;
      server.close();
      proxy.drop();
      await closed;
    },
  };
  return proxy;
}

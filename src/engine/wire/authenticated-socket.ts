import { EventEmitter } from 'node:events';
import { createConnection, type Socket } from 'node:net';
import { type HostAddress, type MongoClient, MongoNetworkError, MongoNetworkTimeoutError } from 'mongodb';
import { connect } from 'mongodb/lib/cmap/connect.js';
import { HostAddress as Address } from 'mongodb/lib/utils.js';

/**
 * Sockets that the pinned driver (7.9.0) has encrypted and authenticated, taken out of its hands: the only file of the
 * wire protocol that leans on the driver's inside, pinned by test/contract/wire-connection.test.ts.
 */
/** Where the bytes of a socket go. Neither function may throw. */
export interface ByteSink {
  /** Memory for the next bytes, not empty. */
  space(): Buffer;
  /** Bytes have come, in the order of the connection: at the start of what {@link space} returned last, or elsewhere. */
  arrived(bytes: Buffer): void;
}

export interface AuthenticatedSocket {
  readonly socket: Socket;
  /** `host:port` as the driver's events name the server. */
  readonly address: string;
  /** Milliseconds without a byte after which a command that waits for its reply has lost its connection; 0 for no limit. */
  readonly silenceLimit: number;
  /** Begins to read: everything that comes goes to the sink. */
  readonly deliverTo: (sink: ByteSink) => void;
}

interface PlainSocket {
  readonly socket: Socket;
  readonly deliverTo: (sink: ByteSink) => void;
}

const handshakeBytes = 64 * 1024;

/**
 * A TCP socket whose bytes the kernel copies to where the sink wants them: a third of the CPU of the buffers that Node
 * makes for each read. Until it has a sink it reads as every socket does, for the driver.
 */
function makePlainSocket(host: HostAddress): PlainSocket {
  const handshake = Buffer.allocUnsafeSlow(handshakeBytes);
  let sink: ByteSink | undefined;
  const place =
    host.socketPath === undefined ? { host: host.host ?? '', port: host.port ?? 0 } : { path: host.socketPath };
  const callback = (length: number, memory: Uint8Array): boolean => {
    const bytes = Buffer.from(memory.buffer, memory.byteOffset, length);
    if (sink) sink.arrived(bytes);
    else socket.push(Buffer.from(bytes));
    return true;
  };
  const socket = createConnection({ ...place, onread: { buffer: () => sink?.space() ?? handshake, callback } });
  const deliverTo = (to: ByteSink): void => {
    sink = to;
    socket.resume();
  };
  return { socket, deliverTo };
}

async function untilConnected(socket: Socket, address: string, timeoutMS: number): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    socket.once('connect', resolve);
    socket.on('error', (cause) => {
      reject(new MongoNetworkError(cause.message, { cause }));
    });
    socket.once('close', () => {
      reject(new MongoNetworkError(`connection to ${address} closed`));
    });
    socket.setTimeout(timeoutMS, () => {
      reject(new MongoNetworkTimeoutError(`no connection to ${address} within ${timeoutMS} ms`));
    });
  });
  socket.setTimeout(0);
  socket.removeAllListeners('timeout');
}

/**
 * A connection beside those of the client, encrypted and authenticated as they are.
 * @param host `host:port`; left out: the server of a client that is connected directly
 * @throws MongoNetworkError, MongoServerError (authentication); the signal's reason when aborted
 */
export async function openAuthenticatedSocket(
  client: MongoClient,
  host: string | undefined,
  signal: AbortSignal,
): Promise<AuthenticatedSocket> {
  const { options } = client;
  const hostAddress = host === undefined ? options.hosts[0] : new Address(host);
  if (!hostAddress) throw new MongoNetworkError('the client names no server');
  const address = hostAddress.toString();
  const cancellationToken = new EventEmitter();
  // Encryption, with all that is to be checked, stays the driver's from the first byte.
  const plain = options.tls ? undefined : makePlainSocket(hostAddress);
  const stop = (): void => {
    cancellationToken.emit('cancel');
    plain?.socket.destroy();
  };
  signal.addEventListener('abort', stop, { once: true });
  try {
    signal.throwIfAborted();
    if (plain) await untilConnected(plain.socket, address, options.connectTimeoutMS);
    const { authProviders } = (client as unknown as { readonly s: { readonly authProviders: object } }).s;
    const own = { id: 'wire', generation: 0, compressors: [], cancellationToken, existingSocket: plain?.socket };
    const { socket, messageStream } = await connect({ ...options, ...own, hostAddress, authProviders });
    signal.throwIfAborted();
    socket.unpipe(messageStream);
    const silenceLimit = options.socketTimeoutMS;
    return { socket, address, silenceLimit, deliverTo: plain?.deliverTo ?? deliverFrom(socket) };
  } catch (error) {
    plain?.socket.destroy();
    signal.throwIfAborted();
    throw error;
  } finally {
    signal.removeEventListener('abort', stop);
  }
}

/** As it comes out of TLS, which brings its own memory. */
function deliverFrom(socket: Socket): (sink: ByteSink) => void {
  return (sink) => {
    socket.on('data', (bytes: Buffer) => {
      sink.arrived(bytes);
    });
    socket.resume();
  };
}

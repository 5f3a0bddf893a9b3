import { once } from 'node:events';
import { type AddressInfo, createServer, createConnection, type Socket } from 'node:net';

/** A proxy before a server on 127.0.0.1, whose connections a test can hold and cut. */
export interface TcpProxy {
  readonly host: string;
  /** Nothing of what clients send passes any more. Resolves when something of at least so many bytes was held back. */
  hold(bytes: number): Promise<void>;
  /** Resets all connections; new ones pass again. */
  cut(): void;
  close(): Promise<void>;
}

export async function startTcpProxy(port: number): Promise<TcpProxy> {
  const sockets = new Set<Socket>();
  let held: ((chunk: Buffer) => void) | undefined;
  const server = createServer((client) => {
    const upstream = createConnection({ host: '127.0.0.1', port });
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on('error', () => undefined);
      socket.on('close', () => {
        sockets.delete(socket);
        client.destroy();
        upstream.destroy();
      });
    }
    client.on('data', (chunk) => {
      if (held) held(chunk);
      else upstream.write(chunk);
    });
    upstream.pipe(client);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const cut = () => {
    held = undefined;
    for (const socket of sockets) socket.destroy();
  };
  return {
    host: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    hold: (bytes) =>
      new Promise((resolve) => {
        let seen = 0;
        held = ({ length }) => {
          if ((seen += length) >= bytes) resolve();
        };
      }),
    cut,
    async close() {
      cut();
      server.close();
      await once(server, 'close');
    },
  };
}

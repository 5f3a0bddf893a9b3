import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { startTcpProxy, type TcpProxy } from '../support/tcp-proxy.ts';

describe('the proxy of the tests', () => {
  const servers: Server[] = [];
  let proxy: TcpProxy;

  /** Answers each chunk with as many bytes as it names. */
  async function startServer(letter: string): Promise<number> {
    const server = createServer((socket) => {
      socket.on('data', (chunk) => socket.write(letter.repeat(Number(chunk))));
      socket.on('error', () => undefined);
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    servers.push(server);
    return (server.address() as { port: number }).port;
  }
  function open(): { socket: Socket; got: () => string; code: () => string; closed: () => boolean } {
    const socket = connect({ port: proxy.port, host: '127.0.0.1', allowHalfOpen: true });
    let [text, code, closed] = ['', '', false];
    socket.on('data', (chunk) => (text += String(chunk)));
    socket.on('error', (error: NodeJS.ErrnoException) => (code = error.code ?? ''));
    socket.on('close', () => (closed = true));
    return { socket, got: () => text, code: () => code, closed: () => closed };
  }

  beforeEach(async () => {
    proxy = await startTcpProxy(await startServer('a'));
  });
  afterEach(async () => {
    await proxy.close();
    for (const server of servers.splice(0)) server.close();
  });

  test('passes what comes, in both directions', async () => {
    const client = open();
    client.socket.write('300000');
    await vi.waitFor(() => {
      expect(client.got()).toBe('a'.repeat(300_000));
    });
    client.socket.end();
    await vi.waitFor(() => {
      expect(client.closed()).toBe(true);
      expect(proxy.connections).toBe(0);
    });
  });

  test('resets what is open', async () => {
    const client = open();
    client.socket.write('3');
    await vi.waitFor(() => {
      expect(client.got()).toBe('aaa');
    });
    proxy.drop();
    await vi.waitFor(() => {
      expect(client.code()).toBe('ECONNRESET');
    });
  });

  test('refuses and accepts on the same port', async () => {
    await proxy.refuse();
    const refused = open();
    await vi.waitFor(() => {
      expect(refused.code()).toBe('ECONNREFUSED');
    });
    await proxy.accept();
    const client = open();
    client.socket.write('1');
    await vi.waitFor(() => {
      expect(client.got()).toBe('a');
    });
  });

  test('stands still in the middle of a reply, and goes on without losing a byte', async () => {
    const stalled = proxy.after(70_000, 'stall');
    const client = open();
    client.socket.write('200000');
    await stalled;
    await vi.waitFor(() => {
      expect(client.got()).toHaveLength(70_000);
    });
    const later = open();
    later.socket.write('1');
    await once(later.socket, 'connect');
    expect([client.got().length, later.got(), client.closed()]).toEqual([70_000, '', false]);
    proxy.release();
    await vi.waitFor(() => {
      expect([client.got().length, later.got()]).toEqual([200_000, 'a']);
    });
  });

  test('cuts a reply in the middle', async () => {
    void proxy.after(70_000, 'drop');
    const client = open();
    client.socket.write('200000');
    await vi.waitFor(() => {
      expect(client.closed()).toBe(true);
    });
    expect(client.got().length).toBeLessThanOrEqual(70_000);
  });

  test('is as slow as it is told', async () => {
    proxy.slow(1_000_000);
    const client = open();
    const start = performance.now();
    client.socket.write('200000');
    await vi.waitFor(() => {
      expect(client.got()).toHaveLength(200_000);
    });
    expect(performance.now() - start).toBeGreaterThan(100);
  });

  test('ends one direction, and leads new connections elsewhere', async () => {
    const client = open();
    await once(client.socket, 'connect');
    await vi.waitFor(() => {
      expect(proxy.connections).toBe(1);
    });
    const ended = once(client.socket, 'end');
    proxy.halfClose();
    await ended;
    proxy.leadTo(await startServer('b'));
    const other = open();
    other.socket.write('2');
    await vi.waitFor(() => {
      expect(other.got()).toBe('bb');
    });
  });
});

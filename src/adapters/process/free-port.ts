import { randomInt } from 'node:crypto';
import { createServer } from 'node:net';
import { HoldfastError } from '../../domain/errors.ts';

// Below the range from which Linux takes the ports of outgoing connections (32768 and up), so that a server that is
// stopped and started again finds its port free.
const lowest = 15_000;
const highest = 32_000;

async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  return new Promise((resolve) => {
    server.once('error', () => {
      resolve(false);
    });
    server.listen({ host: '127.0.0.1', port, exclusive: true }, () => {
      server.close(() => {
        resolve(true);
      });
    });
  });
}

/** A port of 127.0.0.1 that nobody listens on now; whoever binds it must be ready to lose it to another process. */
export async function findFreePort(): Promise<number> {
  for (let attempt = 0; attempt < 200; attempt += 1) {
    const port = randomInt(lowest, highest);
    if (await isFree(port)) return port;
  }
  throw new HoldfastError('Internal', `no free port between ${lowest} and ${highest}`);
}

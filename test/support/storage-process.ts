/**
 * A process of its own that uses a directory storage, for tests of what happens between processes and to killed ones.
 * `node storage-process.ts ROOT COMMAND ...`; prints one JSON value a line.
 */
import { createHash, randomBytes } from 'node:crypto';
import { writeSync } from 'node:fs';
import { DirectoryObjectStore } from '../../src/adapters/directory/directory-object-store.ts';
import { HoldfastError } from '../../src/domain/errors.ts';
import { incrementTimes } from '../contract/object-store-probes.ts';

const [root = '', command = '', ...args] = process.argv.slice(2);
const store = new DirectoryObjectStore({ root, description: '"shared"' });

// Synchronous: what was printed is out, whenever the process is killed.
const say = (value: unknown) => writeSync(1, `${JSON.stringify(value)}\n`);

async function outcomeOf(work: Promise<unknown>): Promise<unknown> {
  try {
    await work;
    return 'won';
  } catch (error) {
    if (error instanceof HoldfastError) return { name: error.name, message: error.message, next: error.next };
    throw error;
  }
}

/** Waits until the parent says go, so that all of them start together. */
async function go(): Promise<void> {
  say('ready');
  for await (const _ of process.stdin) return;
}

/** Its last 32 bytes are the SHA-256 of the others: a torn object is told by itself. */
function selfChecking(size: number): Buffer {
  const body = randomBytes(size);
  return Buffer.concat([body, createHash('sha256').update(body).digest()]);
}

async function* pieces(size: number, count: number): AsyncIterable<Uint8Array> {
  const body = selfChecking(size * count);
  for (let at = 0; at < body.length; at += size) {
    await Promise.resolve();
    yield body.subarray(at, at + size);
  }
}

const commands: Record<string, () => Promise<void>> = {
  /** Creates an object that all the others create too, then counts with them. */
  contend: async () => {
    await go();
    say(await outcomeOf(store.put('lease/one', Buffer.from(args[0] ?? ''), { ifNoneMatch: '*' })));
    await incrementTimes(store, 'lease/counter', Number(args[1]));
  },
  /** Writes and counts until it is killed; prints each increment that was confirmed. */
  write: async () => {
    const me = String(process.pid);
    for (let n = 0; ; n++) {
      await Promise.all([
        store.put(`created/${me}/${n}/object`, selfChecking(n % 90_000), { ifNoneMatch: '*' }),
        store.putStream(`streamed/${me}/${n}`, pieces(40_000, 1 + (n % 20))),
        store.put('replaced/object', selfChecking(1000)),
        incrementTimes(store, 'counter', 1).then(() => say('counted')),
      ]);
      if (n > 5) await store.delete([`created/${me}/${n - 5}/object`, `streamed/${me}/${n - 5}`]);
    }
  },
  /** Writes one object of so many bytes, by stream and by put. */
  fill: async () => {
    if (args[1] === 'as-nobody' && process.getuid?.() === 0) process.setuid?.(65_534);
    await go();
    const size = Number(args[0]);
    say(await outcomeOf(store.putStream('full/streamed', pieces(64 * 1024, Math.ceil(size / 65_536)))));
    say(await outcomeOf(store.put('full/put', Buffer.alloc(size))));
    say(await outcomeOf(store.put('full/small', Buffer.from('small'))));
  },
};

await commands[command]?.();
if (command !== 'fill') await store.close();
process.exit(0);

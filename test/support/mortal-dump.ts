import { EventEmitter, once } from 'node:events';
import { basename } from 'node:path';
import { zstdDecompressSync } from 'node:zlib';
import { MongoClient } from 'mongodb';
import { DirectoryObjectStore } from '../../src/adapters/directory/directory-object-store.ts';
import { SystemClock } from '../../src/adapters/process/system-clock.ts';
import type { ObjectStore } from '../../src/application/ports/object-store.ts';
import type { CheckpointLine } from '../../src/domain/checkpoint.ts';
import { HoldfastError } from '../../src/domain/errors.ts';
import type { DumpPartInput } from '../../src/engine/dump/dump-input.ts';
import { dumpPart } from '../../src/engine/dump/dump-part.ts';

/**
 * One attempt of a dump in a process of its own, which stands still where the parent wants to kill it:
 * `<input as JSON> <folder> <phase>`. Says on its standard output, a line of JSON each, what it has read, that it stands
 * still, and what the dump came to.
 */
const [text = '', folder = '', phase = ''] = process.argv.slice(2);
const input = JSON.parse(text) as DumpPartInput;
const say = (line: object): void => void process.stdout.write(`${JSON.stringify(line)}\n`);

const terminated = new AbortController();
process.on('SIGTERM', () => {
  terminated.abort(new HoldfastError('WorkerLost', 'told to end'));
});

/** Stands still until it is killed, or told to end. */
async function reach(here: string): Promise<void> {
  if (here !== phase) return;
  say({ stands: here });
  const alive = setInterval(() => undefined, 60_000);
  await once(terminated.signal, 'abort');
  clearInterval(alive);
}

const [stored, writtenDown] = [new Set<string>(), new Set<string>()];
const records = new EventEmitter();

/**
 * A storage that begins a pack only when the one before the last is in a checkpoint: packs of this test are small, and a
 * busy machine stores many while one record is on its way. What an attempt loses is bounded by that, not by the machine.
 */
async function untilWrittenDown(): Promise<void> {
  while ([...stored].filter((pack) => !writtenDown.has(pack)).length > 1) await once(records, 'written');
}

function noteRecord(body: Uint8Array): void {
  for (const line of zstdDecompressSync(body).toString().trimEnd().split('\n')) {
    const { kind, pack } = JSON.parse(line) as { readonly kind: CheckpointLine['kind']; readonly pack?: string };
    if (kind === 'pack' && pack !== undefined) writtenDown.add(pack);
  }
  records.emit('written');
}

/** Calls of a store as phases: `put 2 of checkpoints` before it, `put 2 of checkpoints, done` after it. */
function announced(store: ObjectStore): ObjectStore {
  const counts = new Map<string, number>();
  const announce = async <T>(verb: string, key: string, work: (here: string) => Promise<T>): Promise<T> => {
    const kind = /(checkpoints|packs|oplog|index)/.exec(key)?.[0] ?? 'others';
    const count = (counts.get(`${verb} ${kind}`) ?? 0) + 1;
    counts.set(`${verb} ${kind}`, count);
    const here = `${verb} ${count} of ${kind}`;
    await reach(here);
    const result = await work(here);
    await reach(`${here}, done`);
    return result;
  };
  async function* announcedStream(source: AsyncIterable<Uint8Array>, here: string): AsyncGenerator<Uint8Array> {
    let isFirst = true;
    for await (const chunk of source) {
      yield chunk;
      // The store has written one frame and asks for the next: a small pack has no more than one.
      if (isFirst) await reach(`${here}, in its middle`);
      isFirst = false;
    }
  }
  const methods: Partial<ObjectStore> = {
    put: (key, body, options) =>
      announce('put', key, async () => {
        const written = await store.put(key, body, options);
        if (key.includes('checkpoints')) noteRecord(body);
        return written;
      }),
    putStream: async (key, source, options) => {
      const isPack = key.includes('/packs/');
      if (isPack) await untilWrittenDown();
      const put = (here: string) => store.putStream(key, announcedStream(source, here), options);
      const written = await announce('put', key, put);
      if (isPack) stored.add(basename(key, '.pack'));
      return written;
    },
  };
  return new Proxy(store, {
    get(of, name): unknown {
      const own = (methods as Record<string | symbol, unknown>)[name];
      const value: unknown = own ?? Reflect.get(of, name, of);
      return typeof value === 'function' ? (value.bind(of) as unknown) : value;
    },
  });
}

const complain = (message: string, fields?: object): void => {
  say({ complaint: message, fields });
};
const client = new MongoClient(`mongodb://${input.member}/?directConnection=true`);
await reach('start');
try {
  const result = await dumpPart(input, {
    client,
    store: announced(new DirectoryObjectStore({ root: `${folder}/storage` })),
    clock: new SystemClock(),
    logger: { debug() {}, info() {}, warn: complain, error: complain },
    signal: terminated.signal,
    onProgress: ({ rawBytes }) => {
      say({ rawBytes });
    },
    checkFence: () => Promise.resolve(),
    checkpoints: {
      store: announced(new DirectoryObjectStore({ root: `${folder}/state` })),
      prefix: 'checkpoints/rs0/',
    },
  });
  await reach('before the answer');
  say({ result });
} catch (error) {
  say({ error: String(error) });
}
await client.close();

import { createWriteStream } from 'node:fs';
import { cp } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { constants, createZstdCompress } from 'node:zlib';
import type { MongoClient } from 'mongodb';
import { Timestamp as BsonTimestamp } from 'mongodb';
import { DirectoryObjectStore } from '../src/adapters/directory/directory-object-store.ts';
import { SystemClock } from '../src/adapters/process/system-clock.ts';
import { keepYoungGenerationSmall } from '../src/adapters/process/young-generation.ts';
import { archiveOplog } from '../src/application/use-cases/archive-oplog.ts';
import { settingsSchema } from '../src/domain/settings.ts';
import { parseWantedTime } from '../src/domain/wanted-time.ts';
import { measureSelf } from './measure-self.ts';
import { replicaSet } from './source-server.ts';
import { createMongoClient } from '../src/engine/wire/mongo-client.ts';

/**
 * One archiver, alone in its process: `node bench/archive-run.ts <variant> <host> <folder> <from> <to> <begun>`, times as
 * `t:i`, `begun` a folder with an archive that ends with the entry `from`. Prints one line of JSON. The variant `begin`
 * makes that folder.
 */

const silent = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };
const [variant = '', host = '', folder = '', from = '', to = '', begun = ''] = process.argv.slice(2);
const replicaSetId = '0'.repeat(24);
const store = new DirectoryObjectStore({ root: join(folder, 'storage') });

/** Turns as the stage runs them, until everything is archived: lease, progress, every slice read back. */
async function turns(client: MongoClient): Promise<object> {
  const settings = settingsSchema.parse({
    ...{ schemaVersion: 1, stage: 'bench', stateDir: folder },
    storages: { disk: { name: 'disk', type: 'directory', path: join(folder, 'storage') } },
    deployments: {
      bench: {
        ...{ name: 'bench', uri: `mongodb://${host}/?replicaSet=${replicaSet}`, storage: 'disk' },
        ...{ member: {}, compression: {}, limits: { parallel: 1 } },
        oplogArchive: { enabled: true, storage: 'disk', retention: { days: 1 }, newBaseOnGap: false },
      },
    },
  });
  // As `holdfast archive` and the function do.
  keepYoungGenerationSmall();
  const deps: Parameters<typeof archiveOplog>[1] = {
    ...{ settings, logger: silent, clock: new SystemClock(), openStorage: () => store },
    state: new DirectoryObjectStore({ root: join(folder, 'state') }),
    events: { publish: () => Promise.resolve() },
    withMember: (_, work, signal = new AbortController().signal) => work({ client, member: host, signal }),
  };
  const totals = { entries: 0, rawBytes: 0, storedBytes: 0, turns: 0 };
  for (let more = true; more; totals.turns += 1) {
    const set = { deployment: 'bench', replicaSet, replicaSetId, members: [host], seconds: 45 };
    const turn = await archiveOplog({ runId: `turn-${totals.turns}`, ...set }, deps);
    totals.entries += turn.entries;
    totals.rawBytes += turn.rawBytes;
    totals.storedBytes += turn.storedBytes;
    ({ more } = turn);
  }
  return totals;
}

const timestamp = (text: string): BsonTimestamp => {
  const time = parseWantedTime(text);
  if (time === 'latest') throw new TypeError('a time is wanted');
  return new BsonTimestamp(time);
};

const pieceBytes = 1024 * 1024;

/** What a script would do: the entries by a cursor of the driver, not decoded, into one file; nothing is looked at. */
async function driver(client: MongoClient): Promise<object> {
  const range = { ts: { $gt: timestamp(from), $lte: timestamp(to) } };
  const cursor = client.db('local').collection('oplog.rs').find(range, { raw: true, batchSize: 10_000 });
  const totals = { entries: 0, rawBytes: 0 };
  const pieces = async function* () {
    let piece: Buffer[] = [];
    let bytes = 0;
    for await (const entry of cursor as unknown as AsyncIterable<Buffer>) {
      totals.entries += 1;
      totals.rawBytes += entry.length;
      piece.push(entry);
      bytes += entry.length;
      if (bytes < pieceBytes) continue;
      yield Buffer.concat(piece);
      [piece, bytes] = [[], 0];
    }
    yield Buffer.concat(piece);
  };
  const compress = createZstdCompress({ params: { [constants.ZSTD_c_compressionLevel]: 1 } });
  const file = createWriteStream(join(folder, 'oplog.bson.zst'));
  await pipeline(pieces, compress, file);
  return { ...totals, storedBytes: file.bytesWritten };
}

if (variant === 'holdfast') await cp(begun, folder, { recursive: true });
const client = createMongoClient(`mongodb://${host}/?directConnection=true`);
await client.connect();
await measureSelf(
  () => (variant === 'driver' ? driver(client) : turns(client)),
  () => client.close(),
);

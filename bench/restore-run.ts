import { readFile } from 'node:fs/promises';
import type { MongoClient } from 'mongodb';
import { BSON, type Document } from 'mongodb';
import { DirectoryObjectStore } from '../src/adapters/directory/directory-object-store.ts';
import { SystemClock } from '../src/adapters/process/system-clock.ts';
import { splitNamespace } from '../src/domain/names.ts';
import { splitDocuments } from '../src/engine/bson/raw-values.ts';
import { readIndex } from '../src/engine/packs/index-reader.ts';
import { joinFrames, readFrames } from '../src/engine/packs/pack-reader.ts';
import { restorePart } from '../src/engine/restore/restore-part.ts';
import type { BenchBackup } from './backup-to-restore.ts';
import { measureSelf } from './measure-self.ts';
import { createMongoClient } from '../src/engine/wire/mongo-client.ts';

/** One measured restore, alone in its process: `node bench/restore-run.ts <variant> <host> <backup.json> <parallel>`. Prints one line of JSON. */

const silent = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };

async function holdfast(client: MongoClient, backup: BenchBackup, replay: boolean, parallel: number) {
  const { folder, point } = backup;
  const manifest = replay ? backup.manifest : backup.manifestAtPoint;
  const restoreTime = manifest.restoreTime ?? point.ts;
  const part = manifest.parts[0]?.name ?? '';
  const result = await restorePart(
    { runId: 'r', manifest, part, restoreTime, parallel, users: false, keepExpired: false },
    {
      ...{ client, store: new DirectoryObjectStore({ root: folder }), clock: new SystemClock(), logger: silent },
      ...{ signal: new AbortController().signal, onProgress: () => undefined },
    },
  );
  return {
    documents: result.documents,
    phases: result.seconds,
    entriesPerSecond: result.oplog.entries / (result.seconds['replay'] ?? NaN),
  };
}

/** What a script would do: decoded documents through insertMany, one collection after the other, indexes at the end. */
async function insertMany(client: MongoClient, { manifest, folder }: BenchBackup) {
  const store = new DirectoryObjectStore({ root: folder });
  const base = manifest.parts[0]?.base;
  if (base?.method !== 'logical') return { documents: 0 };
  const index = await readIndex(store, base.index);
  const keyOf = (pack: string) => base.packs.find(({ key }) => key.endsWith(`${pack}.pack`))?.key ?? '';
  let documents = 0;
  for (const namespace of index.namespaces) {
    const { db, coll } = splitNamespace(namespace.ns);
    if (db !== 'bench' || coll.startsWith('system.') || namespace.type !== 'collection') continue;
    const collection = client.db(db).collection(coll);
    for (const run of joinFrames(index.frames.of(namespace.ns), 8 * 1024 * 1024))
      for await (const { raw } of readFrames({ store, codec: index.codec, keyOf }, run)) {
        const decoded: Document[] = [];
        for (const document of splitDocuments(raw)) decoded.push(BSON.deserialize(document));
        for (let at = 0; at < decoded.length; at += 1000)
          await collection.insertMany(decoded.slice(at, at + 1000), { ordered: false });
        documents += decoded.length;
      }
    const specs = namespace.indexes.map((spec) => BSON.deserialize(Buffer.from(spec, 'base64')));
    const wanted = specs.filter(({ name }) => name !== '_id_');
    if (wanted.length > 0) await client.db(db).command({ createIndexes: coll, indexes: wanted });
  }
  return { documents };
}

const [variant = '', host = '', file = '', parallel = '2'] = process.argv.slice(2);
const backup = JSON.parse(await readFile(file, 'utf8')) as BenchBackup;
const client = createMongoClient(`mongodb://${host}/?directConnection=true`);
await client.connect();
const runs: Record<string, () => Promise<object>> = {
  holdfast: () => holdfast(client, backup, false, Number(parallel)),
  'holdfast with replay': () => holdfast(client, backup, true, Number(parallel)),
  'driver insertMany': () => insertMany(client, backup),
};
await measureSelf(runs[variant], () => client.close());

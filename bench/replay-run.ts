import { readFile, writeFile } from 'node:fs/promises';
import type { MongoClient } from 'mongodb';
import { type Document } from 'mongodb';
import { DirectoryObjectStore } from '../src/adapters/directory/directory-object-store.ts';
import { SystemClock } from '../src/adapters/process/system-clock.ts';
import { compareTimestamps, type Timestamp } from '../src/domain/timestamp.ts';
import { findElement } from '../src/engine/bson/raw-document.ts';
import { arrayDocuments } from '../src/engine/bson/raw-values.ts';
import { readOplogEntry } from '../src/engine/oplog/oplog-entry.ts';
import { readSlices } from '../src/engine/oplog/read-slices.ts';
import { rawArray } from '../src/engine/restore/raw-command.ts';
import { restorePart } from '../src/engine/restore/restore-part.ts';
import type { BenchBackup } from './backup-to-restore.ts';
import { measureSelf } from './measure-self.ts';
import { createMongoClient } from '../src/engine/wire/mongo-client.ts';

/**
 * One replay, alone in its process: `node bench/replay-run.ts <variant> <host> <backup.json> <parallel> <seconds>:<increment>`,
 * the time being where it ends. Prints one line of JSON. The base is restored by the product for every variant but
 * `entries`, which writes the entries as mongorestore wants them; only the replay is measured by `replaySeconds`.
 */

const silent = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };
const [variant = '', host = '', file = '', parallel = '2', end = '0:0'] = process.argv.slice(2);
const backup = JSON.parse(await readFile(file, 'utf8')) as BenchBackup;
const [t = 0, i = 0] = end.split(':').map(Number);
const [part] = backup.manifest.parts;
const store = new DirectoryObjectStore({ root: backup.folder });

function restoreTo(client: MongoClient, restoreTime: Timestamp) {
  const { manifest } = backup;
  const to = { restoreTime, parallel: Number(parallel), users: false, keepExpired: false };
  return restorePart(
    { runId: 'r', manifest, part: part?.name ?? '', ...to },
    {
      ...{ client, store, clock: new SystemClock(), logger: silent },
      ...{ signal: new AbortController().signal, onProgress: () => undefined },
    },
  );
}

async function holdfast(client: MongoClient) {
  const { seconds, oplog } = await restoreTo(client, { t, i });
  return { replaySeconds: seconds['replay'], entries: oplog.entries };
}

/** What was written after the base was read. */
async function entriesAfterPoint(): Promise<Buffer[]> {
  const found: Buffer[] = [];
  for await (const piece of readSlices(store, part?.oplog?.slices ?? []))
    for (const raw of piece) {
      const { ts } = readOplogEntry(raw).opTime;
      if (compareTimestamps(ts, backup.point.ts) > 0 && compareTimestamps(ts, { t, i }) <= 0) found.push(raw);
    }
  return found;
}

/** One command for each operation, waiting for each: as Percona Backup for MongoDB does. */
async function oneByOne(client: MongoClient) {
  await restoreTo(client, backup.point.ts);
  const entries = await entriesAfterPoint();
  const admin = client.db('admin');
  const apply = (operation: Buffer): Promise<Document> =>
    admin.command({ applyOps: rawArray([operation]), alwaysUpsert: false });
  const start = performance.now();
  for (const raw of entries) {
    const { op, o } = readOplogEntry(raw);
    const inner = op === 'c' && o ? findElement(o, 'applyOps') : undefined;
    if (o && inner) for (const operation of arrayDocuments(o, inner)) await apply(operation);
    else if (op !== 'n') await apply(raw);
  }
  return { replaySeconds: (performance.now() - start) / 1000, entries: entries.length };
}

async function writeEntries(to: string) {
  const entries = await entriesAfterPoint();
  await writeFile(to, Buffer.concat(entries));
  return { entries: entries.length };
}

if (variant === 'entries')
  await measureSelf(
    () => writeEntries(host),
    () => Promise.resolve(),
  );
else {
  const client = createMongoClient(`mongodb://${host}/?directConnection=true`);
  await client.connect();
  await measureSelf(
    () => (variant === 'holdfast' ? holdfast(client) : oneByOne(client)),
    () => client.close(),
  );
}

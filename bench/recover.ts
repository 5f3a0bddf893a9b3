import { constants } from 'node:fs';
import { cp, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { MongoClient } from 'mongodb';
import { type Timestamp as BsonTimestamp } from 'mongodb';
import { findMongod } from '../local/servers/find-mongod.ts';
import { type MongodProcess, startMongod } from '../local/servers/mongod-process.ts';
import type { Timestamp } from '../src/domain/timestamp.ts';
import { type BenchBackup, makeBackup } from './backup-to-restore.ts';
import { type Measured, measureScript, medianOf } from './measure.ts';
import { entriesPerRound, runRounds, seedReplay } from './replay-workload.ts';
import { emptyFolder, startSource } from './source-server.ts';
import { type Hashes, measureRestore, requireHashes } from './target-server.ts';
import { createMongoClient } from '../src/engine/wire/mongo-client.ts';

/**
 * `npm run bench:recover`: the oplog replayed into a data directory by the server's own recovery, beside our replay into a
 * running server, in turn, medians, both compared with the source by hashes. HOLDFAST_BENCH_ENTRIES (default 400000; made
 * once for a number), HOLDFAST_BENCH_RUNS (default 3), HOLDFAST_BENCH_PARALLEL (default 2), HOLDFAST_BENCH_BESIDE=no for the data directory alone.
 *
 * Its rate counts everything from pristine files to recovered ones. What that takes without a single entry is measured as
 * well, by restoring the same files to the moment that they were copied at: the rate without it is printed beside. CPU is
 * that of the run and of its servers.
 */

const entries = Number(process.env['HOLDFAST_BENCH_ENTRIES'] ?? '400000');
const runs = Number(process.env['HOLDFAST_BENCH_RUNS'] ?? '3');
const parallel = process.env['HOLDFAST_BENCH_PARALLEL'] ?? '2';

const beside = process.env['HOLDFAST_BENCH_BESIDE'] !== 'no';

const folder = join(import.meta.dirname, '..', '.bench', `recover-${entries}`);
const [file, pristine] = [join(folder, 'backup.json'), join(folder, 'pristine')];

interface RecoverBackup extends BenchBackup {
  /** A time that is in the copied files' oplog, or right behind its end. */
  readonly copiedAt: Timestamp;
}

async function copyFiles(from: string, to: string): Promise<void> {
  const filter = (path: string) =>
    !/^(mongod\.log|mongod\.lock|WiredTiger\.lock|WiredTigerPreplog\.\d+)$/.test(basename(path));
  await cp(from, to, { recursive: true, filter, mode: constants.COPYFILE_FICLONE });
}

/** While it stands still: what a snapshot of its volume holds. */
async function copySource(client: MongoClient, server: MongodProcess): Promise<void> {
  await client.db('admin').command({ fsync: 1 });
  server.signal('SIGSTOP');
  try {
    await copyFiles(server.dbPath, pristine);
  } finally {
    server.signal('SIGCONT');
  }
}

/** A backup goes up to what the majority has. */
async function untilMajority(client: MongoClient): Promise<void> {
  await client.db('admin').command({ appendOplogNote: 1, data: {}, writeConcern: { w: 'majority' } });
}

async function prepare(): Promise<RecoverBackup> {
  const { server } = await startSource('replay', (line) => {
    console.log(`making ${line}`);
  });
  try {
    // What is acknowledged is not measured: the oplog is the same, and nobody waits for the journal.
    await using client = createMongoClient(`mongodb://${server.host}/?directConnection=true&w=1`);
    const rounds = Math.ceil(entries / entriesPerRound);
    await seedReplay(client, rounds);
    await untilMajority(client);
    let copiedAt: Timestamp = { t: 0, i: 0 };
    const backup = await makeBackup(client, server.host, join(folder, 'storage'), async () => {
      await copySource(client, server);
      const note = await client.db('admin').command({ appendOplogNote: 1, data: { bench: 'the files are copied' } });
      const { t, i } = note['operationTime'] as BsonTimestamp;
      copiedAt = { t, i };
      await runRounds(client, 0, rounds);
      await untilMajority(client);
    });
    const made = { ...backup, copiedAt };
    await writeFile(file, JSON.stringify(made));
    return made;
  } finally {
    await server.stop();
  }
}

/** Made once for a number of entries, then used again. */
async function prepared(): Promise<RecoverBackup> {
  const made = await readFile(file, 'utf8').catch(() => undefined);
  if (made !== undefined) return JSON.parse(made) as RecoverBackup;
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  return prepare();
}

const describe = ({ t, i }: Timestamp): string => `${t}:${i}`;

async function recoverTo(time: Timestamp, expected: Hashes | undefined): Promise<Measured> {
  const directory = join(await emptyFolder('recover-target'), 'data');
  await copyFiles(pristine, directory);
  const measured = await measureScript('recover-run.ts', [directory, file, describe(time)], process.pid);
  if (expected !== undefined) {
    const server = await startMongod({ mongod: (await findMongod()).path, dbPath: directory });
    try {
      await requireHashes(server.host, expected);
    } finally {
      await server.kill();
    }
  }
  const replaySeconds = Number(measured['appendSeconds']) + Number(measured['recoverySeconds']);
  return { ...measured, replaySeconds, cpu: measured.treeCpuSeconds };
}

async function replay(expected: Hashes, end: Timestamp): Promise<Measured> {
  const measured = await measureRestore(expected, ({ host, pid }) =>
    measureScript('replay-run.ts', ['holdfast', host, file, parallel, describe(end)], pid),
  );
  return { ...measured, cpu: measured.cpuSeconds + measured.serverCpuSeconds };
}

const { manifest, hashes, copiedAt } = await prepared();
const end = manifest.restoreTime ?? { t: 0, i: 0 };
const [native, fixed, running] = ['into a data directory', 'the same, no entries', 'into a running server'];
const results = new Map<string, Measured[]>();
const add = (variant: string, measured: Measured) => results.set(variant, [...(results.get(variant) ?? []), measured]);
for (let run = 0; run < runs; run++) {
  add(native, await recoverTo(end, hashes.atEnd));
  add(fixed, await recoverTo(copiedAt, undefined));
  if (beside) add(running, await replay(hashes.atEnd, end));
}

const round = (value: number) => Math.round(value * 100) / 100;
const rows = [...results].map(([variant, measured]) => ({
  variant,
  entries: medianOf(measured, 'entries'),
  'replay s': round(medianOf(measured, 'replaySeconds')),
  'entries/s': Math.round(medianOf(measured, 'entries') / medianOf(measured, 'replaySeconds')),
  'appending s': round(medianOf(measured, 'appendSeconds')),
  'recovery s': round(medianOf(measured, 'recoverySeconds')),
  'CPU s, all': round(medianOf(measured, 'cpu')),
  'peak MiB': Math.round(Math.max(...measured.map(({ peakMiB }) => peakMiB))),
}));
console.log(`${runs} runs each; all have the hashes of the source`);
console.table(rows);
const [whole, none] = [results.get(native) ?? [], results.get(fixed) ?? []];
const more = (name: string) => medianOf(whole, name) - medianOf(none, name);
console.log(
  `without what no entries take (${round(medianOf(none, 'replaySeconds'))} s): ` +
    `${Math.round(more('entries') / more('replaySeconds'))} entries/s, ${round((more('cpu') / more('entries')) * 1e6)} CPU µs each`,
);
for (const name of ['restore-target', 'recover-target']) await rm(await emptyFolder(name), { recursive: true });

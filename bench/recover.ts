import { constants } from 'node:fs';
import { cp, rm, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { MongoClient } from 'mongodb';
import { findMongod } from '../local/servers/find-mongod.ts';
import { type MongodProcess, startMongod } from '../local/servers/mongod-process.ts';
import { type BenchBackup, makeBackup } from './backup-to-restore.ts';
import { type Measured, measureScript, medianOf } from './measure.ts';
import { entriesPerRound, runRounds, seedReplay } from './replay-workload.ts';
import { emptyFolder, startSource } from './source-server.ts';
import { type Hashes, measureRestore, requireHashes } from './target-server.ts';

/**
 * `npm run bench:recover`: the oplog replayed into a data directory by the server's own recovery, beside our replay into a
 * running server, in turn, medians, both compared with the source by hashes. HOLDFAST_BENCH_ENTRIES (default 200000),
 * HOLDFAST_BENCH_RUNS (default 5), HOLDFAST_BENCH_PARALLEL (default 2). Its rate counts everything from the pristine
 * files to recovered ones, two starts of mongod included.
 */

const entries = Number(process.env['HOLDFAST_BENCH_ENTRIES'] ?? '200000');
const runs = Number(process.env['HOLDFAST_BENCH_RUNS'] ?? '5');
const parallel = process.env['HOLDFAST_BENCH_PARALLEL'] ?? '2';

const folder = await emptyFolder('recover-backup');
const [file, pristine] = [join(folder, 'backup.json'), join(folder, 'pristine')];

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

async function prepare(): Promise<BenchBackup> {
  const { server } = await startSource('replay', (line) => {
    console.log(`making ${line}`);
  });
  try {
    await using client = new MongoClient(`mongodb://${server.host}/?directConnection=true`);
    const rounds = Math.ceil(entries / entriesPerRound);
    await seedReplay(client, rounds);
    const backup = await makeBackup(client, server.host, join(folder, 'storage'), async () => {
      await copySource(client, server);
      await runRounds(client, 0, rounds);
    });
    await writeFile(file, JSON.stringify(backup));
    return backup;
  } finally {
    await server.stop();
  }
}

async function recover(expected: Hashes): Promise<Measured> {
  const directory = join(await emptyFolder('recover-target'), 'data');
  await copyFiles(pristine, directory);
  const measured = await measureScript('recover-run.ts', [directory, file], process.pid);
  const server = await startMongod({ mongod: (await findMongod()).path, dbPath: directory });
  try {
    await requireHashes(server.host, expected);
  } finally {
    await server.kill();
  }
  return { ...measured, replaySeconds: Number(measured['appendSeconds']) + Number(measured['recoverySeconds']) };
}

const { manifest, hashes } = await prepare();
const end = `${manifest.restoreTime?.t ?? 0}:${manifest.restoreTime?.i ?? 0}`;
const results: Record<string, Measured[]> = { 'into a data directory': [], 'into a running server': [] };
for (let run = 0; run < runs; run++) {
  results['into a data directory']?.push(await recover(hashes.atEnd));
  const replay = ({ host, pid }: MongodProcess) =>
    measureScript('replay-run.ts', ['holdfast', host, file, parallel, end], pid);
  results['into a running server']?.push(await measureRestore(hashes.atEnd, replay));
}

const rows = Object.entries(results).map(([variant, measured]) => ({
  variant,
  entries: medianOf(measured, 'entries'),
  'replay s': Math.round(medianOf(measured, 'replaySeconds') * 100) / 100,
  'entries/s': Math.round(medianOf(measured, 'entries') / medianOf(measured, 'replaySeconds')),
  'appending s': Math.round(medianOf(measured, 'appendSeconds') * 100) / 100,
  'recovery s': Math.round(medianOf(measured, 'recoverySeconds') * 100) / 100,
  'peak MiB': Math.round(Math.max(...measured.map(({ peakMiB }) => peakMiB))),
}));
console.log(`${runs} runs each; both have the hashes of the source`);
console.table(rows);
for (const name of ['restore-target', 'recover-target', 'recover-backup'])
  await rm(await emptyFolder(name), { recursive: true });

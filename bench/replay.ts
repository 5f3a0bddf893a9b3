import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Timestamp } from '../src/domain/timestamp.ts';
import { readMemberState } from '../src/engine/source/member-state.ts';
import { makeBackup } from './backup-to-restore.ts';
import { type Measured, measureProgram, measureScript, medianOf } from './measure.ts';
import { entriesPerRound, runRounds, seedReplay } from './replay-workload.ts';
import { emptyFolder, replicaSet, startSource } from './source-server.ts';
import { type Hashes, measureRestore, readHashes } from './target-server.ts';
import type { MongoClient } from 'mongodb';
import { createMongoClient } from '../src/engine/wire/mongo-client.ts';

/**
 * `npm run bench:replay`: our replay beside one applyOps per operation and, where HOLDFAST_BENCH_MONGODUMP and
 * HOLDFAST_BENCH_MONGORESTORE name the binaries, mongorestore --oplogReplay. Each into a new member of a set of one,
 * variants in turn, medians, every target compared with the source by hashes. The slow ones replay the first
 * HOLDFAST_BENCH_PEER_ENTRIES (default 8000) of HOLDFAST_BENCH_ENTRIES (default 200000) entries: as many as they need to
 * show their rate. HOLDFAST_BENCH_RUNS (default 5), HOLDFAST_BENCH_PARALLEL (default 2).
 */

const entries = Number(process.env['HOLDFAST_BENCH_ENTRIES'] ?? '200000');
const peerEntries = Number(process.env['HOLDFAST_BENCH_PEER_ENTRIES'] ?? '8000');
const runs = Number(process.env['HOLDFAST_BENCH_RUNS'] ?? '5');
const parallel = process.env['HOLDFAST_BENCH_PARALLEL'] ?? '2';
const { HOLDFAST_BENCH_MONGODUMP: mongodump, HOLDFAST_BENCH_MONGORESTORE: mongorestore } = process.env;
const compare = mongodump !== undefined && mongorestore !== undefined;

const folder = await emptyFolder('replay-backup');
const [file, dumped, oplog] = [join(folder, 'backup.json'), join(folder, 'dump'), join(folder, 'oplog')];

/** A place in the source's history to which a variant replays. */
interface Milestone {
  readonly end: string;
  readonly hashes: Hashes;
}

async function milestone(client: MongoClient, host: string): Promise<Milestone> {
  const signal = new AbortController().signal;
  const { ts }: { readonly ts: Timestamp } = (await readMemberState({ client, member: host, signal }, replicaSet))
    .majority;
  return { end: `${ts.t}:${ts.i}`, hashes: await readHashes(client) };
}

async function prepare(): Promise<{ readonly early: Milestone; readonly late: Milestone }> {
  const { server } = await startSource('replay', (line) => {
    console.log(`making ${line}`);
  });
  try {
    await using client = createMongoClient(`mongodb://${server.host}/?directConnection=true`);
    const [some, all] = [Math.ceil(peerEntries / entriesPerRound), Math.ceil(entries / entriesPerRound)];
    await seedReplay(client, all);
    if (compare) await measureProgram(mongodump, [`--host=${server.host}`, '--quiet', `--out=${dumped}`], server.pid);
    const milestones: Milestone[] = [];
    const backup = await makeBackup(client, server.host, join(folder, 'storage'), async () => {
      await runRounds(client, 0, some);
      milestones.push(await milestone(client, server.host));
      await runRounds(client, some, all);
    });
    await writeFile(file, JSON.stringify(backup));
    const [early] = milestones;
    const { restoreTime } = backup.manifest;
    const late = { end: `${restoreTime?.t ?? 0}:${restoreTime?.i ?? 0}`, hashes: backup.hashes.atEnd };
    return { early: early ?? late, late };
  } finally {
    await server.stop();
  }
}

const { early, late } = await prepare();
if (compare) {
  const target = join(await emptyFolder('replay-backup/oplog'), 'oplog.bson');
  await measureScript('replay-run.ts', ['entries', target, file, parallel, early.end], process.pid);
}

const ours = (variant: string, { end, hashes }: Milestone) =>
  measureRestore(hashes, ({ host, pid }) => measureScript('replay-run.ts', [variant, host, file, parallel, end], pid));

/** The indexes of the base are left out, as ours are not there yet either. */
function peer(binary: string, expectedEntries: number): Promise<Measured> {
  return measureRestore(early.hashes, async ({ host, pid }) => {
    await measureProgram(binary, [`--host=${host}`, '--quiet', '--noIndexRestore', `--dir=${dumped}`], pid);
    const args = [`--host=${host}`, '--quiet', '--oplogReplay', `--dir=${oplog}`];
    const measured = await measureProgram(binary, args, pid);
    return { ...measured, replaySeconds: measured.seconds, entries: expectedEntries };
  });
}

const results = new Map<string, Measured[]>();
const add = (variant: string, measured: Measured) => results.set(variant, [...(results.get(variant) ?? []), measured]);
for (let run = 0; run < runs; run++) {
  add('holdfast', await ours('holdfast', late));
  const slow = await ours('one applyOps per operation', early);
  add('one applyOps per operation', slow);
  if (compare) add('mongorestore --oplogReplay', await peer(mongorestore, Number(slow['entries'])));
}

const rows = [...results].map(([variant, measured]) => ({
  variant,
  entries: medianOf(measured, 'entries'),
  'replay s': Math.round(medianOf(measured, 'replaySeconds') * 100) / 100,
  'entries/s': Math.round(medianOf(measured, 'entries') / medianOf(measured, 'replaySeconds')),
  'peak MiB': Math.round(Math.max(...measured.map(({ peakMiB }) => peakMiB))),
}));
console.log(`${runs} runs each, parallel ${parallel}; every target has the hashes of the source`);
console.table(rows);
const [mine, ...others] = rows;
for (const other of others)
  if (mine)
    console.log(`${mine.variant} / ${other.variant}: ${(mine['entries/s'] / other['entries/s']).toFixed(1)} times`);
for (const name of ['restore-target', 'replay-backup']) await rm(await emptyFolder(name), { recursive: true });

import { spawnSync } from 'node:child_process';
import { rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { HoldfastError } from '../src/domain/errors.ts';
import { formatTimestamp } from '../src/domain/timestamp.ts';
import { readMemberState } from '../src/engine/source/member-state.ts';
import { type Measured, measureNode, measureProgram, measureScript, median } from './measure.ts';
import { entriesPerRound, runRounds, seedReplay } from './replay-workload.ts';
import { emptyFolder, replicaSet, startSource } from './source-server.ts';
import type { MongoClient } from 'mongodb';
import { createMongoClient } from '../src/engine/wire/mongo-client.ts';

/**
 * `npm run bench:archive`: one archiver on one core that is a whole oplog behind, with all that its turns do, every slice
 * read back; beside a script that puts the same entries by the driver, raw, through zstd -1 into one file, and, where
 * HOLDFAST_BENCH_MONGODUMP names the binary, mongodump of local.oplog.rs through zstd -1. In turn, medians.
 * HOLDFAST_BENCH_ENTRIES (default 200000), HOLDFAST_BENCH_RUNS (default 5). Ends with 1 when a goal is missed.
 */

/**
 * A stage must archive at least as fast as a restore must replay (25,000 entries/s, design/engine.md): with 0.58 of a core (1024 MB)
 * for 40 s of every minute that takes 65,000 entries per CPU second. It is half of what the driver's script reached on the
 * machine of the first measurements: that ratio says the same of a machine that is slower or faster.
 */
const goals = { peakMiB: 256, entriesPerCpuSecond: 65_000, entriesOfDriver: 0.5, bytesOfStream: 1.1 };
const entries = Number(process.env['HOLDFAST_BENCH_ENTRIES'] ?? '200000');
const runs = Number(process.env['HOLDFAST_BENCH_RUNS'] ?? '5');
const mongodump = process.env['HOLDFAST_BENCH_MONGODUMP'];
const isPinned = spawnSync('taskset', ['--version']).status === 0;
/** A command on one core. */
const onOneCore = (program: string, ...args: string[]): [string, ...string[]] =>
  isPinned ? ['taskset', '--cpu-list', '0', program, ...args] : [program, ...args];
if (!isPinned) console.warn('no taskset in the PATH: what is measured has all cores');

interface Range {
  readonly from: string;
  readonly to: string;
  readonly begun: string;
}

async function top(client: MongoClient, host: string): Promise<string> {
  const source = { client, member: host, signal: new AbortController().signal };
  return formatTimestamp((await readMemberState(source, replicaSet)).majority.ts);
}

/** An archive that has just begun, and then the changes that it has not seen. */
async function prepare(host: string, pid: number): Promise<Range> {
  await using client = createMongoClient(`mongodb://${host}/?directConnection=true`);
  const rounds = Math.ceil(entries / entriesPerRound);
  await seedReplay(client, rounds);
  await client.db('admin').command({ appendOplogNote: 1, data: { bench: 'the archive begins' } });
  const begun = await emptyFolder('archive-begun');
  const from = await top(client, host);
  await measureScript('archive-run.ts', ['begin', host, begun], pid);
  await runRounds(client, 0, rounds);
  return { from, to: await top(client, host), begun };
}

async function archive(variant: string, host: string, pid: number, { from, to, begun }: Range): Promise<Measured> {
  const folder = await emptyFolder('archive-output');
  // As a function runs it, and `holdfast archive`: without flags of its own.
  return measureNode(onOneCore(process.execPath), 'archive-run.ts', [variant, host, folder, from, to, begun], pid);
}

/** @throws Internal for fewer entries than there are: it then archived something else */
async function dump(binary: string, host: string, pid: number, { from, to }: Range): Promise<Measured> {
  const [folder, script] = [
    await emptyFolder('archive-output'),
    'set -o pipefail; "$0" --host="$1" --quiet --db=local --collection=oplog.rs --query="$2" --out=- | zstd -1 -q > "$3"',
  ];
  const bound = (time: string) => {
    const [t, i] = time.split(':').map(Number);
    return { $timestamp: { t, i } };
  };
  const query = JSON.stringify({ ts: { $gt: bound(from), $lte: bound(to) } });
  const file = join(folder, 'oplog.bson.zst');
  const [program, ...args] = onOneCore('bash', '-c', script, binary, host, query, file);
  return { ...(await measureProgram(program, args, pid)), storedBytes: (await stat(file)).size };
}

const { server } = await startSource('replay', (line) => {
  console.log(`making ${line}`);
});
try {
  const range = await prepare(server.host, server.pid);
  const results = new Map<string, Measured[]>();
  const add = (variant: string, measured: Measured) =>
    results.set(variant, [...(results.get(variant) ?? []), measured]);
  // The first round only warms the server's cache.
  for (let run = 0; run <= runs; run++) {
    for (const variant of ['holdfast', 'driver']) {
      const measured = await archive(variant, server.host, server.pid, range);
      if (run > 0) add(variant, measured);
    }
    if (mongodump === undefined) continue;
    const measured = await dump(mongodump, server.host, server.pid, range);
    if (run > 0) add('mongodump | zstd -1', measured);
  }
  report(results);
} finally {
  await server.stop();
  for (const name of ['archive-output', 'archive-begun']) await rm(await emptyFolder(name), { recursive: true });
}

function report(results: ReadonlyMap<string, readonly Measured[]>): void {
  const [ours, driver] = [results.get('holdfast') ?? [], results.get('driver') ?? []];
  const [count, raw] = [Number(driver[0]?.['entries']), Number(driver[0]?.['rawBytes'])];
  // The server adds an empty entry every ten seconds.
  const fewest = Math.min(...ours.map((run) => Number(run['entries'])));
  if (fewest < count) throw new HoldfastError('Internal', `of ${count} entries ${fewest} were archived`);
  const rows = [...results].map(([variant, measured]) => {
    const seconds = median(measured.map((run) => run.seconds));
    const cpu = median(measured.map((run) => run.cpuSeconds));
    return {
      variant,
      'entries/s': Math.round(count / seconds),
      'entries/CPU s': Math.round(count / cpu),
      'MB/s': Math.round(raw / 1e5 / seconds) / 10,
      'bytes per byte': Number((Number(measured[0]?.['storedBytes']) / raw).toFixed(3)),
      'mongod CPU s': median(measured.map((run) => run.serverCpuSeconds)).toFixed(2),
      'peak MiB': Math.round(Math.max(...measured.map(({ peakMiB }) => peakMiB))),
    };
  });
  console.log(
    `${count} entries, ${(raw / 1e6).toFixed(0)} MB of oplog, medians of ${runs} runs, ${isPinned ? 'on one core' : 'on all cores'}`,
  );
  console.table(rows);
  const [holdfast, baseline] = rows;
  if (!holdfast || !baseline) return;
  const peakMiB = holdfast['peak MiB'];
  const rate = holdfast['entries/CPU s'] / baseline['entries/CPU s'];
  const bytes = holdfast['bytes per byte'] / baseline['bytes per byte'];
  const perSecond = holdfast['entries/CPU s'];
  const isFastEnough = perSecond >= goals.entriesPerCpuSecond || rate >= goals.entriesOfDriver;
  const reached = peakMiB <= goals.peakMiB && isFastEnough && bytes <= goals.bytesOfStream;
  console.log(
    `goals: ${peakMiB} of ${goals.peakMiB} MiB; ${perSecond} entries per CPU second, at least ${goals.entriesPerCpuSecond}, or ${rate.toFixed(2)} of the driver's, at least ${goals.entriesOfDriver}; ${bytes.toFixed(2)} of the bytes of one stream, at most ${goals.bytesOfStream}: ${reached ? 'reached' : 'MISSED'}`,
  );
  if (!reached) process.exitCode = 1;
}

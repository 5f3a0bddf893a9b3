import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type BenchBackup, changeSmallDocuments, makeBackup, undoChanges } from './backup-to-restore.ts';
import { type Measured, measureProgram, measureScript, medianOf, printRatio, summarise } from './measure.ts';
import { emptyFolder, startSource } from './source-server.ts';
import { type Hashes, measureRestore } from './target-server.ts';
import { createMongoClient } from '../src/engine/wire/mongo-client.ts';

/**
 * `npm run bench:restore`: our restore beside the driver's insertMany and, where HOLDFAST_BENCH_MONGODUMP and
 * HOLDFAST_BENCH_MONGORESTORE name the binaries, mongorestore. Each run into a new member of a set of one, in its own
 * process, variants in turn, medians, and every target compared with the source by hashes. HOLDFAST_BENCH_SCALE (1 = 1.85 GB, default 0.6), HOLDFAST_BENCH_RUNS (default 5),
 * HOLDFAST_BENCH_PARALLEL (default 2), HOLDFAST_BENCH_ENTRIES (to replay, default 200000); arguments choose variants.
 */

const wanted = process.argv.slice(2);
const variants = ['holdfast', 'holdfast with replay', 'driver insertMany'].filter(
  (variant) => wanted.length === 0 || wanted.includes(variant),
);

function report(results: ReadonlyMap<string, readonly Measured[]>, rawBytes: number): void {
  const rows = [...results].map(([variant, runs]) => ({
    ...summarise(variant, runs, rawBytes),
    'entries/s replayed': Math.round(medianOf(runs, 'entriesPerSecond')),
  }));
  console.table(rows);
  for (const [variant, runs] of results) if (runs[0]?.['phases'] !== undefined) console.log(variant, runs[0]['phases']);
  const [ours] = rows;
  if (ours) for (const base of rows.filter(({ variant }) => !variant.startsWith('holdfast'))) printRatio(ours, base);
}

const scale = Number(process.env['HOLDFAST_BENCH_SCALE'] ?? '0.6');
const runs = Number(process.env['HOLDFAST_BENCH_RUNS'] ?? '5');
const parallel = process.env['HOLDFAST_BENCH_PARALLEL'] ?? '2';
const entries = Number(process.env['HOLDFAST_BENCH_ENTRIES'] ?? '200000');
const { HOLDFAST_BENCH_MONGODUMP: mongodump, HOLDFAST_BENCH_MONGORESTORE: mongorestore } = process.env;

const { server: source, rawBytes } = await startSource(scale, (line) => {
  console.log(`making ${line}`);
});
const folder = await emptyFolder('restore-backup');
const file = join(folder, 'backup.json');
const archive = join(folder, 'archive');
const compare = mongodump !== undefined && mongorestore !== undefined;
let backup: BenchBackup;
try {
  await using client = createMongoClient(`mongodb://${source.host}/?directConnection=true`);
  await undoChanges(client);
  if (compare)
    await measureProgram(mongodump, [`--host=${source.host}`, '--quiet', `--archive=${archive}`], source.pid);
  backup = await makeBackup(client, source.host, join(folder, 'storage'), () => changeSmallDocuments(client, entries));
  await writeFile(file, JSON.stringify(backup));
} finally {
  await source.stop();
}
console.log(`${(rawBytes / 1e9).toFixed(2)} GB of BSON, ${entries} entries, ${runs} runs each, parallel ${parallel}`);
const results = new Map<string, Measured[]>();
const add = (variant: string, measured: Measured) => results.set(variant, [...(results.get(variant) ?? []), measured]);
const { atPoint, atEnd } = backup.hashes;
/** The script that inserts documents leaves out what cannot be inserted plainly. */
const plain: Hashes = Object.fromEntries(Object.entries(atPoint).filter(([name]) => !name.startsWith('system.')));
const expected: Readonly<Record<string, Hashes>> = { 'holdfast with replay': atEnd, 'driver insertMany': plain };
for (let run = 0; run < runs; run++) {
  for (const variant of variants)
    add(
      variant,
      await measureRestore(expected[variant] ?? atPoint, ({ host, pid }) =>
        measureScript('restore-run.ts', [variant, host, file, parallel], pid),
      ),
    );
  if (!compare) continue;
  const args = ['--quiet', `--archive=${archive}`, '-j=4', '--numInsertionWorkersPerCollection=4'];
  add(
    'mongorestore',
    await measureRestore(atPoint, ({ host, pid }) => measureProgram(mongorestore, [`--host=${host}`, ...args], pid)),
  );
}
report(results, rawBytes);
for (const name of ['restore-target', 'restore-backup']) await rm(await emptyFolder(name), { recursive: true });

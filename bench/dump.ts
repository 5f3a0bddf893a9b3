import { spawnSync } from 'node:child_process';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { HoldfastError } from '../src/domain/errors.ts';
import { type Measured, measureProgram, measureScript, printRatio, summarise } from './measure.ts';
import { emptyFolder, startSource } from './source-server.ts';

/**
 * `npm run bench:dump`: our dump beside the driver's cursor and, where HOLDFAST_BENCH_MONGODUMP names the binary,
 * mongodump, alone and into zstd; each run in its own process, variants in turn, medians. HOLDFAST_BENCH_SCALE (1 = 1.85 GB, default 0.6),
 * HOLDFAST_BENCH_RUNS (default 5), HOLDFAST_BENCH_PARALLEL (default 2); arguments choose variants by parts of their names.
 */

const wanted = process.argv.slice(2);
const isWanted = (variant: string): boolean => wanted.length === 0 || wanted.some((part) => variant.includes(part));
const ours = ['holdfast none, to nowhere', 'holdfast zstd-1, to nowhere', 'holdfast zstd-1, to a directory'].filter(
  isWanted,
);
const driver = ['driver cursor, raw', 'driver cursor, decoded'].filter(isWanted);

async function runOurs(variant: string, host: string, pid: number, parallel: string): Promise<Measured> {
  return measureScript('dump-run.ts', [variant, host, await emptyFolder('dump-output'), parallel], pid);
}

/** Every run of a variant must have stored the same, and every variant of ours as many documents and bytes. */
function requireSame(variant: string, run: Measured, first: Measured | undefined, names: readonly string[]): void {
  for (const name of names)
    if (first && run[name] !== first[name])
      throw new HoldfastError('Internal', `${variant}: ${name} ${String(run[name])}, before ${String(first[name])}`);
}

/** What a user of the tools does for the same compression. */
async function runPipe(binary: string, host: string, pid: number): Promise<Measured> {
  const dump = `"$0" --host=${host} --quiet --oplog --archive`;
  return measureProgram('bash', ['-c', `set -o pipefail; ${dump} | zstd -1 -T2 -q > /dev/null`, binary], pid);
}

async function runMongodump(binary: string, extra: readonly string[], host: string, pid: number): Promise<Measured> {
  const archive = join(await emptyFolder('dump-output'), 'archive');
  const to = extra.includes('--gzip') ? archive : '/dev/null';
  return measureProgram(binary, [`--host=${host}`, '--quiet', '--oplog', `--archive=${to}`, ...extra], pid);
}

function report(results: ReadonlyMap<string, readonly Measured[]>, rawBytes: number): void {
  const rows = [...results].map(([variant, runs]) => ({
    ...summarise(variant, runs, rawBytes),
    'stored MB': Math.round(Number(runs[0]?.['storedBytes'] ?? 0) / 1e6),
  }));
  console.table(rows);
  for (const base of rows.slice(ours.length)) for (const row of rows.slice(0, ours.length)) printRatio(row, base);
}

const scale = Number(process.env['HOLDFAST_BENCH_SCALE'] ?? '0.6');
const runs = Number(process.env['HOLDFAST_BENCH_RUNS'] ?? '5');
const parallel = process.env['HOLDFAST_BENCH_PARALLEL'] ?? '2';
const mongodump = process.env['HOLDFAST_BENCH_MONGODUMP'];
const pipe = 'mongodump | zstd -1 -T2';
const hasZstd = spawnSync('zstd', ['--version']).status === 0;
if (mongodump === undefined) console.warn('SKIPPED: mongodump (HOLDFAST_BENCH_MONGODUMP names no binary)');
else if (!hasZstd) console.warn(`SKIPPED: ${pipe} (no zstd in the PATH)`);
// Minutes for each run: named, or left out when others are.
const gzips = wanted.length === 0 || wanted.includes('gzip') ? [[], ['--gzip']] : [[]];
const { server, rawBytes } = await startSource(scale, (line) => {
  console.log(`making ${line}`);
});
try {
  console.log(`${(rawBytes / 1e9).toFixed(2)} GB of BSON, ${runs} runs each, parallel ${parallel}`);
  const results = new Map<string, Measured[]>();
  const add = (variant: string, measured: Measured) =>
    results.set(variant, [...(results.get(variant) ?? []), measured]);
  // The first round only warms the server's cache.
  for (let run = 0; run <= runs; run++) {
    for (const variant of [...ours, ...driver]) {
      const measured = await runOurs(variant, server.host, server.pid, parallel);
      requireSame(variant, measured, results.get(variant)?.[0], [
        'documents',
        'rawBytes',
        'storedBytes',
        'contentHash',
      ]);
      if (ours.includes(variant))
        requireSame(variant, measured, results.get(ours[0] ?? '')?.[0], ['documents', 'rawBytes']);
      if (run > 0) add(variant, measured);
    }
    if (mongodump === undefined) continue;
    if (isWanted(pipe) && hasZstd) {
      const measured = await runPipe(mongodump, server.host, server.pid);
      if (run > 0) add(pipe, measured);
    }
    for (const extra of gzips) {
      const measured = await runMongodump(mongodump, extra, server.host, server.pid);
      if (run > 0) add(`mongodump ${extra.join(' ')}`.trim(), measured);
    }
  }
  report(results, rawBytes);
} finally {
  await server.stop();
  await rm(await emptyFolder('dump-output'), { recursive: true, force: true });
}

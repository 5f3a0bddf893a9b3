import { spawnSync } from 'node:child_process';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type Measured, measureProgram, measureScript, printRatio, summarise } from './measure.ts';
import { emptyFolder, startSource } from './source-server.ts';

/**
 * `npm run bench:copy`: the files of a stopped mongod into packs, beside `cat | zstd -1 -T2` with sha256sum on the same
 * bytes; each run in its own process, variants in turn, medians; files in the page cache. HOLDFAST_BENCH_SCALE (1 = 1.85 GB
 * of BSON, default 0.6), HOLDFAST_BENCH_RUNS (default 5). Goal: at least 0.8 of the pipe's rate.
 */
const pipe = 'cat | zstd -1 -T2, sha256sum beside it, to a directory';
const ours = ['holdfast zstd-1, to nowhere', 'holdfast zstd-1, to a directory'];

const scale = Number(process.env['HOLDFAST_BENCH_SCALE'] ?? '0.6');
const runs = Number(process.env['HOLDFAST_BENCH_RUNS'] ?? '5');
const hasZstd = spawnSync('zstd', ['--version']).status === 0;
if (!hasZstd) console.warn(`SKIPPED: ${pipe} (no zstd in the PATH; Debian and Ubuntu: apt-get install zstd)`);

const { server } = await startSource(scale, (line) => {
  console.log(`making ${line}`);
});
await server.stop();
const data = server.dbPath;

async function runPipe(): Promise<Measured> {
  const to = join(await emptyFolder('copy-output'), 'archive.zst');
  const files =
    "find . -type f ! -name '*.lock' ! -name 'WiredTigerPreplog.*' ! -path './diagnostic.data/*' -print0 | sort -z";
  const script = `set -o pipefail; cd "$0"; ${files} | xargs -0 cat | tee >(sha256sum > "$1.sum") | zstd -1 -T2 -q > "$1"`;
  return measureProgram('bash', ['-c', script, data, to], process.pid);
}

const results = new Map<string, Measured[]>();
try {
  // The first round only brings the files into the page cache.
  for (let run = 0; run <= runs; run++) {
    const add = (variant: string, measured: Measured): void => {
      if (run > 0) results.set(variant, [...(results.get(variant) ?? []), measured]);
    };
    for (const variant of ours)
      add(variant, await measureScript('copy-run.ts', [variant, data, await emptyFolder('copy-output')], process.pid));
    if (hasZstd) add(pipe, await runPipe());
  }
  const rawBytes = Number(results.get(ours[0] ?? '')?.[0]?.['rawBytes'] ?? 0);
  console.log(`${(rawBytes / 1e9).toFixed(2)} GB of files, ${runs} runs each`);
  const rows = [...results].map(([variant, measured]) => summarise(variant, measured, rawBytes));
  console.table(rows);
  const base = rows.find(({ variant }) => variant === pipe);
  for (const row of rows) if (base !== undefined && row !== base) printRatio(row, base);
} finally {
  await rm(await emptyFolder('copy-output'), { recursive: true, force: true });
}

import { spawnSync } from 'node:child_process';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Measured, measureProgram, measureScript, printRatio, summarise } from './measure.ts';
import { emptyFolder, startSource } from './source-server.ts';

/**
 * `npm run bench:copy`: the files of a stopped mongod into packs, beside `cat | zstd -1 -T2` with sha256sum on the same
 * bytes; each run in its own process, variants in turn, medians; files in the page cache. HOLDFAST_BENCH_SCALE (1 = 1.85 GB
 * of BSON, default 0.6), HOLDFAST_BENCH_RUNS (default 5). Goal: at least 0.8 of the pipe's rate. Then the way back: the
 * files laid out of the packs and made durable, beside `zstd -d` with sha256sum and `sync` of the one file.
 */
const pipe = 'cat | zstd -1 -T2, sha256sum beside it, to a directory';
const ours = ['holdfast zstd-1, to nowhere', 'holdfast zstd-1, to a directory'];
const pipeBack = 'zstd -d, sha256sum beside it, sync';
const oursBack = 'holdfast, files laid out';

const scale = Number(process.env['HOLDFAST_BENCH_SCALE'] ?? '0.6');
const runs = Number(process.env['HOLDFAST_BENCH_RUNS'] ?? '5');
const hasZstd = spawnSync('zstd', ['--version']).status === 0;
if (!hasZstd) console.warn(`SKIPPED: ${pipe} (no zstd in the PATH; Debian and Ubuntu: apt-get install zstd)`);

const { server } = await startSource(scale, (line) => {
  console.log(`making ${line}`);
});
await server.stop();
const data = server.dbPath;

const archive = async () => join(await emptyFolder('copy-pipe'), 'archive.zst');

async function runPipe(to: string): Promise<Measured> {
  const files =
    "find . -type f ! -name '*.lock' ! -name 'WiredTigerPreplog.*' ! -path './diagnostic.data/*' -print0 | sort -z";
  const script = `set -o pipefail; cd "$0"; ${files} | xargs -0 cat | tee >(sha256sum > "$1.sum") | zstd -1 -T2 -q > "$1"`;
  return measureProgram('bash', ['-c', script, data, to], process.pid);
}

/** Of the archive that is there. */
function runPipeBack(from: string): Promise<Measured> {
  const script =
    'set -o pipefail; zstd -d -q -c "$0" | tee >(sha256sum > "$0.sum") > "$0.back"; sync "$0.back"; rm "$0.back"';
  return measureProgram('bash', ['-c', script, from], process.pid);
}

/** Of the copy that is there. */
async function layBack(folder: string, copied: Measured | undefined): Promise<Measured> {
  const target = await emptyFolder('copy-laid');
  const index = join(target, 'index.json');
  await writeFile(index, JSON.stringify(copied?.['index']));
  return measureScript('lay-run.ts', [folder, join(target, 'data'), index], process.pid);
}

const results = new Map<string, Measured[]>();
try {
  // The first round only brings the files into the page cache.
  for (let run = 0; run <= runs; run++) {
    const add = (variant: string, measured: Measured): void => {
      if (run > 0) results.set(variant, [...(results.get(variant) ?? []), measured]);
    };
    let [folder, copied]: [string, Measured | undefined] = ['', undefined];
    for (const variant of ours) {
      folder = await emptyFolder('copy-output');
      copied = await measureScript('copy-run.ts', [variant, data, folder], process.pid);
      add(variant, copied);
    }
    const to = await archive();
    if (hasZstd) add(pipe, await runPipe(to));
    add(oursBack, await layBack(folder, copied));
    if (hasZstd) add(pipeBack, await runPipeBack(to));
  }
  const rawBytes = Number(results.get(ours[0] ?? '')?.[0]?.['rawBytes'] ?? 0);
  console.log(`${(rawBytes / 1e9).toFixed(2)} GB of files, ${runs} runs each`);
  const rows = [...results].map(([variant, measured]) => summarise(variant, measured, rawBytes));
  console.table(rows);
  for (const [own, beside] of [...ours.map((one) => [one, pipe]), [oursBack, pipeBack]]) {
    const [row, base] = [own, beside].map((name) => rows.find(({ variant }) => variant === name));
    if (row && base) printRatio(row, base);
  }
} finally {
  for (const name of ['copy-output', 'copy-pipe', 'copy-laid'])
    await rm(await emptyFolder(name), { recursive: true, force: true });
}

import { spawn } from 'node:child_process';
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { HoldfastError } from '../src/domain/errors.ts';
import { emptyFolder, startSource } from './source-server.ts';

/**
 * `npm run bench:dump`: our dump beside the driver's cursor and, where HOLDFAST_BENCH_MONGODUMP names the binary,
 * mongodump; each run in its own process, variants in turn, medians. HOLDFAST_BENCH_SCALE (1 = 1.85 GB, default 0.6),
 * HOLDFAST_BENCH_RUNS (default 5), HOLDFAST_BENCH_PARALLEL (default 2); arguments choose variants by parts of their names.
 */

interface Measured {
  readonly seconds: number;
  readonly cpuSeconds: number;
  readonly peakMiB: number;
  readonly serverCpuSeconds: number;
  readonly documents?: number;
  readonly rawBytes?: number;
  readonly storedBytes?: number;
}

const ticksPerSecond = 100;
const wanted = process.argv.slice(2);
const isWanted = (variant: string): boolean => wanted.length === 0 || wanted.some((part) => variant.includes(part));
const ours = ['holdfast none, to nowhere', 'holdfast zstd-1, to nowhere', 'holdfast zstd-1, to a directory'].filter(
  isWanted,
);
const driver = ['driver cursor, raw', 'driver cursor, decoded'].filter(isWanted);

/** Fields 14 and 15 of /proc/<pid>/stat, counted from 1: user and system time in ticks. */
async function cpuSeconds(pid: number | 'self', fields: readonly [number, number] = [14, 15]): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
  const values = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return fields.reduce((sum, field) => sum + Number(values[field - 3]), 0) / ticksPerSecond;
}

/** Of processes that have ended and were waited for. */
const childrenCpuSeconds = () => cpuSeconds('self', [16, 17]);

async function runOurs(variant: string, host: string, pid: number, parallel: string): Promise<Measured> {
  const folder = await emptyFolder('dump-output');
  const before = await cpuSeconds(pid);
  const script = join(import.meta.dirname, 'dump-run.ts');
  const child = spawn(process.execPath, [script, variant, host, folder, parallel], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const output = await text(child.stdout);
  const serverCpuSeconds = (await cpuSeconds(pid)) - before;
  if (output === '') throw new HoldfastError('Internal', `the run ${variant} failed`);
  return { ...(JSON.parse(output) as Measured), serverCpuSeconds };
}

async function runMongodump(binary: string, extra: readonly string[], host: string, pid: number): Promise<Measured> {
  const archive = join(await emptyFolder('dump-output'), 'archive');
  const [before, children] = [await cpuSeconds(pid), await childrenCpuSeconds()];
  const start = performance.now();
  const to = extra.includes('--gzip') ? archive : '/dev/null';
  const child = spawn(binary, [`--host=${host}`, '--quiet', '--oplog', `--archive=${to}`, ...extra], {
    stdio: 'inherit',
  });
  let peakMiB = 0;
  const poll = setInterval(() => {
    void readFile(`/proc/${child.pid ?? 0}/status`, 'utf8')
      .then((status) => (peakMiB = Math.max(peakMiB, Number(/VmHWM:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1024)))
      .catch(() => undefined);
  }, 100);
  const code = await new Promise((resolve) => child.once('exit', resolve));
  clearInterval(poll);
  if (code !== 0) throw new HoldfastError('Internal', `mongodump ended with ${String(code)}`);
  return {
    seconds: (performance.now() - start) / 1000,
    cpuSeconds: (await childrenCpuSeconds()) - children,
    serverCpuSeconds: (await cpuSeconds(pid)) - before,
    peakMiB,
  };
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? NaN;
}

function report(results: ReadonlyMap<string, readonly Measured[]>, rawBytes: number): void {
  const rows = [...results].map(([variant, runs]) => {
    const of = (pick: (run: Measured) => number) => Math.round(median(runs.map(pick)) * 100) / 100;
    return {
      variant,
      seconds: of(({ seconds }) => seconds),
      'MB/s': Math.round(rawBytes / 1e6 / of(({ seconds }) => seconds)),
      'client CPU s': of(({ cpuSeconds: cpu }) => cpu),
      'mongod CPU s': of(({ serverCpuSeconds }) => serverCpuSeconds),
      'peak MiB': Math.round(Math.max(...runs.map(({ peakMiB }) => peakMiB))),
      'stored MB': Math.round((runs[0]?.storedBytes ?? 0) / 1e6),
    };
  });
  console.table(rows);
  for (const base of rows.slice(ours.length))
    for (const row of rows.slice(0, ours.length))
      console.log(
        `${row.variant} / ${base.variant}: wall ${(row.seconds / base.seconds).toFixed(2)}, ` +
          `client CPU ${(row['client CPU s'] / base['client CPU s']).toFixed(2)}`,
      );
}

const scale = Number(process.env['HOLDFAST_BENCH_SCALE'] ?? '0.6');
const runs = Number(process.env['HOLDFAST_BENCH_RUNS'] ?? '5');
const parallel = process.env['HOLDFAST_BENCH_PARALLEL'] ?? '2';
const mongodump = process.env['HOLDFAST_BENCH_MONGODUMP'];
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
      if (run > 0) add(variant, measured);
    }
    if (mongodump === undefined) continue;
    for (const extra of [[], ['--gzip']]) {
      const measured = await runMongodump(mongodump, extra, server.host, server.pid);
      if (run > 0) add(`mongodump ${extra.join(' ')}`.trim(), measured);
    }
  }
  report(results, rawBytes);
} finally {
  await server.stop();
  await rm(await emptyFolder('dump-output'), { recursive: true, force: true });
}

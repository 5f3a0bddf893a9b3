import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { workerFlags } from '../src/adapters/process/worker-process.ts';
import { HoldfastError } from '../src/domain/errors.ts';

/** One measured run of a client against a server. */
export interface Measured {
  readonly seconds: number;
  readonly cpuSeconds: number;
  readonly serverCpuSeconds: number;
  readonly peakMiB: number;
  /** Of the run's process and of every process that it started and waited for. */
  readonly treeCpuSeconds?: number;
  /** Further numbers that the run itself reports. */
  readonly [name: string]: unknown;
}

const ticksPerSecond = 100;

/** Fields 14 and 15 of /proc/<pid>/stat, counted from 1: user and system time in ticks. */
async function cpuSeconds(pid: number | 'self', fields: readonly [number, number] = [14, 15]): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
  const values = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return fields.reduce((sum, field) => sum + Number(values[field - 3]), 0) / ticksPerSecond;
}

/** A script of this folder in a process of its own, run as a worker is, which prints its numbers as one line of JSON. */
export async function measureScript(script: string, args: readonly string[], serverPid: number): Promise<Measured> {
  return measureNode([process.execPath, ...workerFlags], script, args, serverPid);
}

/** {@link measureScript}, by a command that runs Node. */
export async function measureNode(
  [program, ...flags]: readonly [string, ...string[]],
  script: string,
  args: readonly string[],
  serverPid: number,
): Promise<Measured> {
  const [before, children] = [await cpuSeconds(serverPid), await cpuSeconds('self', [16, 17])];
  const child = spawn(program, [...flags, join(import.meta.dirname, script), ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = once(child, 'exit');
  const output = await text(child.stdout);
  await ended;
  if (output === '') throw new HoldfastError('Internal', `${script} ${args.join(' ')} failed`);
  return {
    ...(JSON.parse(output) as Measured),
    serverCpuSeconds: (await cpuSeconds(serverPid)) - before,
    treeCpuSeconds: (await cpuSeconds('self', [16, 17])) - children,
  };
}

/** Peak resident set of a process and its children, in MiB; 0 when it is gone. */
async function peakOf(pid: number): Promise<number> {
  try {
    const status = await readFile(`/proc/${pid}/status`, 'utf8');
    const children = (await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8')).split(' ').filter((id) => id !== '');
    const own = Number(/VmHWM:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1024;
    return (await Promise.all(children.map((id) => peakOf(Number(id))))).reduce((sum, peak) => sum + peak, own);
  } catch {
    return 0;
  }
}

/** Another program; its memory is looked at ten times a second. */
export async function measureProgram(binary: string, args: readonly string[], serverPid: number): Promise<Measured> {
  const [before, children] = [await cpuSeconds(serverPid), await cpuSeconds('self', [16, 17])];
  const start = performance.now();
  const child = spawn(binary, args, { stdio: 'inherit' });
  let peakMiB = 0;
  const poll = setInterval(() => {
    void peakOf(child.pid ?? 0).then((peak) => (peakMiB = Math.max(peakMiB, peak)));
  }, 100);
  const code = await new Promise((resolve) => child.once('exit', resolve));
  clearInterval(poll);
  if (code !== 0) throw new HoldfastError('Internal', `${binary} ended with ${String(code)}`);
  return {
    seconds: (performance.now() - start) / 1000,
    cpuSeconds: (await cpuSeconds('self', [16, 17])) - children,
    serverCpuSeconds: (await cpuSeconds(serverPid)) - before,
    peakMiB,
  };
}

export function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? NaN;
}

/** Medians of one variant's runs, as the columns that both benchmarks print. */
export function summarise(variant: string, runs: readonly Measured[], rawBytes: number) {
  const of = (pick: (run: Measured) => number) => Math.round(median(runs.map(pick)) * 100) / 100;
  const seconds = of((run) => run.seconds);
  return {
    variant,
    seconds,
    'MB/s': Math.round(rawBytes / 1e6 / seconds),
    'client CPU s': of(({ cpuSeconds: cpu }) => cpu),
    'mongod CPU s': of(({ serverCpuSeconds }) => serverCpuSeconds),
    'peak MiB': Math.round(Math.max(...runs.map(({ peakMiB }) => peakMiB))),
  };
}

type Summary = ReturnType<typeof summarise>;

/** `a / b`: wall and the client's CPU. */
export function printRatio(row: Summary, base: Summary): void {
  console.log(
    `${row.variant} / ${base.variant}: wall ${(row.seconds / base.seconds).toFixed(2)}, ` +
      `client CPU ${(row['client CPU s'] / base['client CPU s']).toFixed(2)}`,
  );
}

export function medianOf(runs: readonly Measured[], name: string): number {
  return median(runs.map((run) => Number(run[name] ?? 0)));
}

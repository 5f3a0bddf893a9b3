import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, open, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { HoldfastError } from '../../domain/errors.ts';
import { findFreePort } from './free-port.ts';
import { forgetProcess, watchProcess } from './reaper.ts';

export interface MongodOptions {
  /** Path of the binary. */
  readonly mongod: string;
  readonly dbPath: string;
  /** A free one is chosen when it is left out. */
  readonly port?: number;
  readonly args?: readonly string[];
  readonly keyFile?: string;
  /** By default `mongod.log` in the data directory. */
  readonly logPath?: string;
  /**
   * Gives up: whatever it does then, it is killed. With one, neither a start nor a stop has a limit of its own: recovery
   * of much data takes its time, and so does the checkpoint at its end.
   */
  readonly signal?: AbortSignal;
}

/** One mongod on 127.0.0.1 that dies with this process at the latest. */
export interface MongodProcess {
  /** `127.0.0.1:port` */
  readonly host: string;
  readonly port: number;
  readonly pid: number;
  readonly mongod: string;
  readonly dbPath: string;
  readonly logPath: string;
  /** SIGTERM, and waits; without a signal of its own SIGKILL after a minute. @returns the exit code; null when it was killed */
  stop(): Promise<number | null>;
  /** SIGKILL, and waits: as a crash. */
  kill(): Promise<number | null>;
  /** Stops it if it runs, and starts it on the same port, by default with the same arguments. */
  restart(changes?: { args?: readonly string[]; keyFile?: string | undefined }): Promise<void>;
  signal(name: NodeJS.Signals): void;
}

/** Without these a server with little data spends its time on what nobody here looks at. */
const lean = [
  // Taken as it is needed. A tenth of it may be uncommitted changes: in less, a few transactions of 16 MiB and more that are
  // open together stop the server for good.
  '--wiredTigerCacheSizeGB=1',
  '--setParameter=diagnosticDataCollectionEnabled=false',
  '--setParameter=enableTestCommands=0',
  // By default a member of a replica set lingers for 15 s after SIGTERM, to let clients turn to another one.
  '--setParameter=shutdownTimeoutMillisForSignaledShutdown=100',
];

const addressInUse = 48;
/** Two servers that bind one port at the same moment both succeed; one then cannot listen, and aborts (ran on 6.0.5). */
const listenFailed = '"msgid":31339';
const startLimitMs = 120_000;
const stopLimitMs = 60_000;
/** Between two looks into the log of a server that starts. */
const [leastPauseMs, mostPauseMs] = [15, 250];

interface Running {
  readonly child: ChildProcess;
  readonly pid: number;
  readonly ended: Promise<number | null>;
}

async function readFrom(file: string, offset: number): Promise<string> {
  const handle = await open(file, 'r').catch(() => undefined);
  if (handle === undefined) return '';
  try {
    const { size } = await handle.stat();
    const buffer = Buffer.alloc(Math.max(0, size - offset));
    await handle.read(buffer, 0, buffer.length, offset);
    return buffer.toString('utf8');
  } finally {
    await handle.close();
  }
}

/** The log's own words for why it ended: its last errors, else its last line. */
async function explain(logPath: string, offset: number): Promise<string> {
  const lines = (await readFrom(logPath, offset)).trim().split('\n');
  const errors = lines.filter((line) => /"s":"[EF]"/.test(line));
  return (errors.length > 0 ? errors.slice(-3) : lines.slice(-1)).join('\n');
}

/** `--option`, or `--setParameter=name`. */
function optionName(arg: string): string {
  const [option = '', name = ''] = arg.split('=');
  return option === '--setParameter' ? `${option}=${name}` : option;
}

function launch(options: MongodOptions, port: number, logPath: string): Running {
  const { mongod, dbPath, keyFile, args = [] } = options;
  const place = [`--dbpath=${dbPath}`, `--port=${port}`, '--bind_ip=127.0.0.1', '--nounixsocket'];
  const log = [`--logpath=${logPath}`, '--logappend'];
  const auth = keyFile === undefined ? [] : [`--keyFile=${keyFile}`];
  // An option or a parameter may be given once only: the caller's value wins.
  const own = lean.filter((option) => !args.some((arg) => optionName(arg) === optionName(option)));
  const child = spawn(mongod, [...place, ...log, ...own, ...auth, ...args], { detached: true, stdio: 'ignore' });
  const ended = once(child, 'exit').then(([code]) => code as number | null);
  ended.catch(() => undefined);
  const pid = child.pid ?? -1;
  if (pid > 0) {
    watchProcess(pid);
    void ended.then(() => {
      forgetProcess(pid);
    });
  }
  return { child, pid, ended };
}

/** Until the log says that connections are accepted (log id 23016). @returns the exit code when it ended instead. */
async function untilReady(
  running: Running,
  logPath: string,
  from: number,
  signal: AbortSignal | undefined,
): Promise<{ code: number | null } | 'ready'> {
  const ended = running.ended.then(
    (code) => ({ code }),
    () => ({ code: null }),
  );
  let offset = from;
  const begun = Date.now();
  for (const deadline = signal ? Infinity : begun + startLimitMs; Date.now() < deadline;) {
    const text = await readFrom(logPath, offset);
    if (text.includes('"id":23016,')) return 'ready';
    // A line that was cut off is read again, whole.
    offset += Buffer.byteLength(text.slice(0, text.lastIndexOf('\n') + 1));
    // A recovery takes long, and wants the processor that looks into its log.
    const pause = Math.min(mostPauseMs, Math.max(leastPauseMs, (Date.now() - begun) / 50));
    const end = await Promise.race([ended, delay(pause, undefined)]);
    if (end !== undefined) return end;
  }
  running.child.kill('SIGKILL');
  return { code: null };
}

async function sizeOf(file: string): Promise<number> {
  return (await stat(file).catch(() => undefined))?.size ?? 0;
}

async function startOnce(options: MongodOptions, port: number, logPath: string): Promise<Running | 'address in use'> {
  const offset = await sizeOf(logPath);
  // Nothing is waited for between this and the listener: a server of an aborted start would be nobody's.
  options.signal?.throwIfAborted();
  const running = launch(options, port, logPath);
  const kill = () => running.child.kill('SIGKILL');
  options.signal?.addEventListener('abort', kill, { once: true });
  void running.ended.then(
    () => options.signal?.removeEventListener('abort', kill),
    () => undefined,
  );
  const state = await untilReady(running, logPath, offset, options.signal);
  options.signal?.throwIfAborted();
  if (state === 'ready') {
    running.child.unref();
    return running;
  }
  const reason = await explain(logPath, offset);
  if (state.code === addressInUse || reason.includes(listenFailed)) return 'address in use';
  throw new HoldfastError(
    'MongodUnavailable',
    `mongod ended with code ${state.code ?? 'none'} while starting on ${options.dbPath}: ${reason}`,
  );
}

async function end(running: Running, signal: NodeJS.Signals, limitMs: number | undefined): Promise<number | null> {
  const { child, ended } = running;
  if (child.exitCode !== null || child.signalCode !== null) return child.exitCode;
  child.ref();
  child.kill(signal);
  // A server that was stopped by SIGSTOP takes no SIGTERM before it goes on.
  if (signal === 'SIGTERM') child.kill('SIGCONT');
  const timer = limitMs === undefined ? undefined : setTimeout(() => child.kill('SIGKILL'), limitMs);
  const code = await ended;
  clearTimeout(timer);
  return code;
}

/** Starts on the given port, or on free ones until one could be bound. */
async function startOnPort(options: MongodOptions, logPath: string): Promise<{ running: Running; port: number }> {
  for (let attempt = 0; attempt < 10; attempt += 1) {
    const port = options.port ?? (await findFreePort());
    const running = await startOnce(options, port, logPath);
    if (running !== 'address in use') return { running, port };
    if (options.port !== undefined) break;
  }
  throw new HoldfastError('MongodUnavailable', `No port could be bound for mongod on ${options.dbPath}.`);
}

/**
 * Starts a mongod and waits until it accepts connections.
 * @throws HoldfastError MongodUnavailable with the words of its log.
 */
export async function startMongod(options: MongodOptions): Promise<MongodProcess> {
  await mkdir(options.dbPath, { recursive: true });
  const logPath = options.logPath ?? join(options.dbPath, 'mongod.log');
  const stopLimit = options.signal ? undefined : stopLimitMs;
  let current = options;
  const first = await startOnPort(options, logPath);
  const { port } = first;
  let { running } = first;
  return {
    host: `127.0.0.1:${port}`,
    port,
    get pid() {
      return running.pid;
    },
    mongod: options.mongod,
    dbPath: options.dbPath,
    logPath,
    stop: () => end(running, 'SIGTERM', stopLimit),
    kill: () => end(running, 'SIGKILL', undefined),
    async restart(changes = {}) {
      await end(running, 'SIGTERM', stopLimit);
      current = { ...current, ...changes, port } as MongodOptions;
      ({ running } = await startOnPort(current, logPath));
    },
    signal(name) {
      running.child.kill(name);
    },
  };
}

/** The server's log so far. */
export async function readLog(server: MongodProcess): Promise<string> {
  return readFile(server.logPath, 'utf8');
}

import { spawn } from 'node:child_process';
import { mkdirSync, rmSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Writable } from 'node:stream';

/**
 * No server and no directory outlives the process that made it, however that process ends: what is alive is told to a
 * small shell that waits for the end of its input, which the kernel closes even after SIGKILL.
 */

// "kill forget PID": the list changes by whole words. $1 is the directory to remove at the end.
const script = `
trap '' INT TERM HUP
root=$1; pids=
while read -r verb pid; do
  rest=; for p in $pids; do [ "$p" = "$pid" ] || rest="$rest $p"; done
  [ "$verb" = watch ] && pids="$rest $pid" || pids=$rest
done
[ -n "$pids" ] && kill -9 $pids 2>/dev/null
n=0; while [ -e "$root" ] && [ $n -lt 50 ]; do rm -rf "$root" 2>/dev/null; n=$((n+1)); [ -e "$root" ] && sleep 0.1; done
exit 0
`;

interface Reaper {
  readonly root: string;
  readonly orders: Writable;
  readonly pids: Set<number>;
}

let started: Reaper | undefined;

function start(): Reaper {
  const root = join(tmpdir(), `holdfast-servers-${process.pid}-${Date.now().toString(36)}`);
  mkdirSync(root, { mode: 0o700 });
  // Detached: Ctrl-C in a terminal goes to the whole foreground group, and this shell must outlive it.
  const shell = spawn('sh', ['-c', script, 'holdfast-reaper', root], {
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
    cwd: '/',
  });
  shell.unref();
  (shell.stdin as Writable & { unref?: () => void }).unref?.();
  shell.stdin.on('error', () => undefined);
  const pids = new Set<number>();
  process.on('exit', () => {
    for (const pid of pids) killNow(pid);
    rmSync(root, { recursive: true, force: true, maxRetries: 5, retryDelay: 50 });
  });
  return { root, orders: shell.stdin, pids };
}

function killNow(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has just ended by itself.
  }
}

function reaper(): Reaper {
  started ??= start();
  return started;
}

/** A directory that is gone with this process at the latest. */
export async function makeOwnDirectory(name: string): Promise<string> {
  return mkdtemp(join(reaper().root, `${name}-`));
}

export async function removeOwnDirectory(directory: string): Promise<void> {
  await rm(directory, { recursive: true, force: true, maxRetries: 5 });
}

/** From now on the process with this id dies with this one. */
export function watchProcess(pid: number): void {
  const { orders, pids } = reaper();
  pids.add(pid);
  orders.write(`watch ${pid}\n`);
}

/** That process has ended: its id may soon be someone else's. */
export function forgetProcess(pid: number): void {
  const { orders, pids } = reaper();
  pids.delete(pid);
  orders.write(`forget ${pid}\n`);
}

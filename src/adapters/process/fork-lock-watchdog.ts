import { fork } from 'node:child_process';
import { once } from 'node:events';
import type { ArmedWatchdog, LockWatchdog } from '../../application/ports/lock-watchdog.ts';
import { HoldfastError } from '../../domain/errors.ts';
import type { WatchedLock } from '../../domain/member-lock.ts';

export interface ForkLockWatchdogOptions {
  /** The watchdog's program: worker/lock-watchdog.ts. */
  readonly entry: string;
  readonly args: readonly string[];
  /** Environment variables that hold credentials: they reach it over the channel, never by its own environment. */
  readonly environment: Readonly<Record<string, string | undefined>>;
}

/** Watches locks from a process of its own, which outlives this one. */
export class ForkLockWatchdog implements LockWatchdog {
  readonly #options: ForkLockWatchdogOptions;

  constructor(options: ForkLockWatchdogOptions) {
    this.#options = options;
  }

  /** @throws WorkerLost when the process can't be started: then nothing may be locked */
  async arm({ run: runId }: WatchedLock): Promise<ArmedWatchdog> {
    const { entry, args, environment } = this.#options;
    const child = fork(entry, [...args], {
      detached: true,
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
      env: { PATH: process.env['PATH'] },
      execArgv: [],
    });
    const defined = Object.fromEntries(Object.entries(environment).filter(([, value]) => value !== undefined));
    child.send({ runId, environment: defined });
    const armed = once(child, 'message').then(() => true);
    const ended = once(child, 'exit').then(() => false);
    if (!(await Promise.race([armed, ended]))) {
      throw new HoldfastError('WorkerLost', 'The process that watches a lock could not be started: nothing is locked.');
    }
    child.unref();
    return {
      disarm: async () => {
        if (child.exitCode !== null || !child.connected) return;
        child.send('disarm');
        await ended;
      },
    };
  }
}

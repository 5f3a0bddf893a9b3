import type { WatchedLock } from '../../domain/member-lock.ts';

/** Gives a member's lock back when whoever took it can't: another process, on AWS another function (ADR 0031). */
export interface LockWatchdog {
  /**
   * Resolves when it is watching. Called when the lock is written down and before it is taken.
   * @throws WorkerLost, PermissionDenied when nobody watches: then nothing may be locked
   */
  arm(lock: WatchedLock): Promise<ArmedWatchdog>;
}

export interface ArmedWatchdog {
  /** The lock is given back: nothing is to be watched any more. A watchdog that stays finds nothing to do. */
  disarm(): Promise<void>;
}

/** Gives a member's lock back when whoever took it can't: another process, on AWS another function (ADR 0031). */
export interface LockWatchdog {
  /** Resolves when it is watching the locks of the run. Called before a lock is taken. */
  arm(runId: string): Promise<ArmedWatchdog>;
}

export interface ArmedWatchdog {
  /** The lock is given back: nothing is to be watched any more. */
  disarm(): Promise<void>;
}

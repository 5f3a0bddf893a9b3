import { DirectoryObjectStore } from '../adapters/directory/directory-object-store.ts';
import { JsonLogger } from '../adapters/process/json-logger.ts';
import { SystemClock } from '../adapters/process/system-clock.ts';
import type { Clock } from '../application/ports/clock.ts';
import { ensureUnlocked } from '../application/release-locks.ts';
import { makeOpenMember } from './open-member.ts';

export interface ComposedWatchdog {
  readonly clock: Clock;
  /** Gives back every lock of the run. @throws SourceUnreachable */
  readonly ensureUnlocked: () => Promise<unknown>;
  readonly close: () => Promise<void>;
}

/** What the process works with that watches the locks of a run. @param environment holds credentials: they came over the channel */
export function composeLockWatchdog(
  stateDir: string,
  runId: string,
  environment: Readonly<Record<string, string>>,
): ComposedWatchdog {
  const clock = new SystemClock();
  const logger = new JsonLogger({ clock, fields: { runId, pid: process.pid } });
  const state = new DirectoryObjectStore({ root: stateDir, description: `state directory ${stateDir}` });
  const openMember = makeOpenMember({ environment });
  return {
    clock,
    ensureUnlocked: () => ensureUnlocked(runId, { state, clock, logger, openMember }),
    close: () => state.close(),
  };
}

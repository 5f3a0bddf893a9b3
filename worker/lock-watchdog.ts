import * as z from 'zod';
import { composeLockWatchdog } from '../src/composition/compose-lock-watchdog.ts';
import { exitCodes } from '../src/domain/error-registry.ts';
import { longestLock } from '../src/domain/member-lock.ts';

/**
 * Gives a member's lock back when the process that took it cannot: it died, and the channel to it broke, or it has the lock
 * for longer than it may. A process of its own, in a session of its own: what kills the other does not kill this.
 */
const startSchema = z.strictObject({ runId: z.string(), environment: z.record(z.string(), z.string()) });

/** After the end of the longest lock, whose owner gives it back itself, milliseconds. */
const patience = longestLock + 5_000;
const tryEvery = 1_000;
/** A member that cannot be reached for so long was restarted, or is the sweep's. */
const tryFor = 15 * 60_000;

const [stateDir = ''] = process.argv.slice(2);

async function release(runId: string, environment: Readonly<Record<string, string>>): Promise<void> {
  const { ensureUnlocked, clock, close } = composeLockWatchdog(stateDir, runId, environment);
  const until = clock.now().getTime() + tryFor;
  try {
    for (;;) {
      try {
        await ensureUnlocked();
        return;
      } catch (error) {
        if (clock.now().getTime() > until) throw error;
        await clock.sleep(tryEvery);
      }
    }
  } finally {
    await close();
  }
}

process.once('message', (message) => {
  const { runId, environment } = startSchema.parse(message);
  const act = (): void => {
    clearTimeout(timer);
    release(runId, environment).then(
      () => process.exit(0),
      () => process.exit(exitCodes.source),
    );
  };
  const timer = setTimeout(act, patience);
  process.once('disconnect', act);
  process.once('message', () => process.exit(0));
  process.send?.('armed');
});

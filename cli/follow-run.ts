import type { HoldfastClient, RunStatus } from '../src/application/ports/holdfast-client.ts';
import { HoldfastError, isErrorName } from '../src/domain/errors.ts';
import type { InterruptSignal } from './environment.ts';
import { exitCodeLeftAtOnce } from './output/exit-codes.ts';
import { makeProgressDisplay, type ProgressDisplay } from './output/progress-display.ts';
import type { CommandSession } from './session.ts';

/**
 * Shows a run until it has ended. Ctrl-C asks it to cancel and waits for its clean-up; a second one leaves at once. A
 * terminal that hangs up asks too, and nobody is left to press twice.
 * @throws what the run failed with; Cancelled
 */
export async function followRun(session: CommandSession, client: HoldfastClient, runId: string): Promise<RunStatus> {
  const { environment, options } = session;
  const display = makeProgressDisplay({
    stream: environment.stderr,
    quiet: options.quiet === true,
    now: () => environment.now(),
  });
  display.note(`run ${runId}`);
  const stopListening = environment.onInterrupt(makeInterruptHandler(session, client, runId, display));
  try {
    const status = await client.waitForRun(runId, (change) => {
      display.update(change);
    });
    throwUnlessSucceeded(status);
    return status;
  } finally {
    stopListening();
    display.close();
  }
}

/**
 * A terminal sends Ctrl-C to every process of the group, and scripts/holdfast.mjs passes on what it gets: one keystroke
 * can arrive twice. Nobody presses twice on purpose within this time.
 */
const sameKeystrokeMilliseconds = 400;

function makeInterruptHandler(
  { environment }: CommandSession,
  client: HoldfastClient,
  runId: string,
  display: ProgressDisplay,
): (signal: InterruptSignal) => void {
  let askedAt: number | undefined;
  return (signal) => {
    const now = environment.now().getTime();
    if (askedAt === undefined) {
      askedAt = now;
      display.note('cancelling: the run stops and cleans up. Ctrl-C again leaves at once.');
      client.cancel(runId).catch((error: unknown) => {
        display.note(`the run could not be asked to stop: ${error instanceof Error ? error.message : String(error)}`);
      });
    } else if (signal !== 'SIGHUP' && now - askedAt > sameKeystrokeMilliseconds) {
      display.close();
      environment.stderr.write(`left at once: the next start of holdfast cleans up after run ${runId}.\n`);
      environment.leave(exitCodeLeftAtOnce);
    }
  };
}

function throwUnlessSucceeded({ status, error, runId }: RunStatus): void {
  if (status === 'succeeded' || status === 'duplicate') return;
  const details = { where: `run ${runId}` };
  if (error !== null) {
    // A name that a newer release wrote is no reason to lose what it says.
    const name = isErrorName(error.name) ? error.name : 'WorkerFailed';
    throw new HoldfastError(name, error.message, { next: error.next, details });
  }
  if (status === 'cancelled') throw new HoldfastError('Cancelled', 'the run was cancelled', { details });
  throw new HoldfastError('Interrupted', `the run ended as ${status} and says no more`, { details });
}

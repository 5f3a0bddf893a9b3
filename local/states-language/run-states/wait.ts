import { readRoots } from '../data-flow.ts';
import type { Visit } from '../execution-scope.ts';
import { runtimeFailure } from '../failures.ts';
import type { WaitState } from '../state-machine.ts';
import { parseTimestamp } from '../timestamps.ts';
import { sleepUntil } from '../waiting.ts';
import { secondsFrom } from './seconds.ts';

/** Waits until a time, or for seconds; a time that is past is no wait. @throws StateFailure States.Runtime */
export async function runWait({ state, roots, branch, scope }: Visit<WaitState>): Promise<void> {
  const text =
    state.TimestampPath === undefined ? state.Timestamp : readRoots(state.TimestampPath, roots, 'TimestampPath');
  if (text !== undefined) {
    const time = typeof text === 'string' ? parseTimestamp(text) : undefined;
    if (time === undefined)
      throw runtimeFailure(`The TimestampPath parameter does not reference a valid timestamp: ${JSON.stringify(text)}`);
    // Up, not down: never earlier than asked.
    await sleepUntil(scope.clock, Number((time + 999_999n) / 1_000_000n), branch.signal);
    return;
  }
  const seconds = secondsFrom(state.Seconds, state.SecondsPath, roots, 'SecondsPath') ?? 0;
  await sleepUntil(scope.clock, scope.clock.now().getTime() + seconds * 1000, branch.signal);
}

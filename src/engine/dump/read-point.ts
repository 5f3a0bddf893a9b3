import type { Clock } from '../../application/ports/clock.ts';
import { HoldfastError } from '../../domain/errors.ts';
import { compareTimestamps, formatTimestamp, type OpTime } from '../../domain/timestamp.ts';

const askEveryMilliseconds = 250;
/** The server's own no-op writer moves even an idle set every 10 s. */
const patienceMilliseconds = 60_000;

export interface PointDeps {
  readonly member: string;
  /** Whether a collection was left out of the base because it was dropped. */
  readonly leftOut: boolean;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/**
 * The moment a base stands for (consistency rule 1): what the member has applied after the last document was read.
 *
 * A secondary applies its oplog in batches, and drops show before the optime passes them. A collection that was left out
 * as dropped may therefore still exist at the optime that is read now; it does not at the next one.
 * @throws MemberStateChanged when a member from which a collection was left out applies nothing any more
 */
export async function readPoint(readLastApplied: () => Promise<OpTime>, deps: PointDeps): Promise<OpTime> {
  const first = await readLastApplied();
  if (!deps.leftOut) return first;
  const until = deps.clock.now().getTime() + patienceMilliseconds;
  for (let point = first; ; point = await readLastApplied()) {
    if (compareTimestamps(point.ts, first.ts) > 0) return point;
    if (deps.clock.now().getTime() >= until)
      throw new HoldfastError(
        'MemberStateChanged',
        `${deps.member} has applied nothing since ${formatTimestamp(first.ts)}, for ${patienceMilliseconds / 1000} s, and a collection was dropped while it was read.`,
      );
    await deps.clock.sleep(askEveryMilliseconds, deps.signal);
  }
}

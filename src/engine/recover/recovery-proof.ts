import type { ScratchServer } from '../../application/ports/scratch-servers.ts';
import { HoldfastError } from '../../domain/errors.ts';
import {
  compareTimestamps,
  describeOpTime,
  formatTimestamp,
  type OpTime,
  sameOpTime,
  type Timestamp,
} from '../../domain/timestamp.ts';
import { countEntries, readTop } from './oplog-of-files.ts';
import type { ScratchSession } from './scratch-session.ts';

/** Lines of the log of mongod 6.0, by id; where one changes, the checks below fail loudly. */
const logged = {
  /** At every start: the stable timestamp of the checkpoint that the files hold. */
  recoveryTimestamp: 23987,
  /** When recovery begins: `stableTimestamp`, and `topOfOplog` after truncation. */
  recoveringFromStable: 21544,
  /** At its end: `numOpsApplied`. */
  applied: 21536,
} as const;

function timestampOf(value: unknown): Timestamp | undefined {
  const { $timestamp: ts } = (value ?? {}) as { $timestamp?: Timestamp };
  return ts && (ts.t !== 0 || ts.i !== 0) ? ts : undefined;
}

const unusable = (what: string, next?: string) =>
  new HoldfastError('RecoveryFailed', what, next === undefined ? {} : { next });

/**
 * Two mistakes that recovery accepts without a word, found before anything is changed: files that are later than the
 * restore time (it would stop at them), and files that were recovered before (it would ignore what is appended).
 * @returns the timestamp of the checkpoint that they hold
 * @throws RecoveryFailed
 */
export async function requirePristine(server: ScratchServer, restoreTime: Timestamp): Promise<Timestamp> {
  const stable = timestampOf((await server.logged(logged.recoveryTimestamp))?.['recoveryTimestamp']);
  if (!stable)
    throw unusable(
      'The files have no stable checkpoint to recover from: they were recovered or started alone before, or their member had just begun.',
      'Recover a fresh copy of the files; a copy is recovered once.',
    );
  if (compareTimestamps(stable, restoreTime) <= 0) return stable;
  throw unusable(
    `The files are of ${formatTimestamp(stable)}, after the restore time ${formatTimestamp(restoreTime)}.`,
    `Restore to ${formatTimestamp(stable)} or later, or from an earlier backup.`,
  );
}

export interface ExpectedOplog {
  /** What the oplog must end with: consistency rule 25. */
  readonly end: OpTime;
  /** The files' own last entry, and how many follow it up to the end. */
  readonly safe: OpTime;
  readonly added: number;
}

/**
 * Consistency rule 25, and that nothing is missing and nothing else is there: the end by time and term, the number of
 * entries since the files' own last one.
 * @returns how many operations the server says that it applied
 * @throws RecoveryFailed
 */
export async function requireRecovered({ server, client }: ScratchSession, expected: ExpectedOplog): Promise<number> {
  const { end, safe, added } = expected;
  const start = await server.logged(logged.recoveringFromStable);
  const stable = timestampOf(start?.['stableTimestamp']);
  if (!stable) throw unusable('The server did not recover the files: its log has no start of a recovery.');
  if (compareTimestamps(stable, end.ts) > 0)
    throw unusable(`The server recovered from ${formatTimestamp(stable)}, after ${describeOpTime(end)}.`);
  const top = await readTop(client);
  if (!sameOpTime(top, end))
    throw unusable(`The recovered oplog ends with ${describeOpTime(top)}, not with ${describeOpTime(end)}.`);
  // What lies beyond the end was cut off; where the files reached further by themselves, nothing was added.
  const found = compareTimestamps(safe.ts, end.ts) < 0 ? await countEntries(client, safe.ts, end.ts) : 0;
  if (found !== added)
    throw unusable(
      `The recovered oplog has ${found} entries from ${describeOpTime(safe)} to ${describeOpTime(end)}, not ${added}.`,
    );
  return Number((await server.logged(logged.applied))?.['numOpsApplied'] ?? 0);
}

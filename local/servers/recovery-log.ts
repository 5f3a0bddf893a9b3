import { HoldfastError } from '../../src/domain/errors.ts';
import { compareTimestamps, formatTimestamp, type Timestamp } from '../../src/domain/timestamp.ts';
import { type MongodProcess, readLog } from './mongod-process.ts';

/** Log line 21544, "Recovering from stable timestamp": where the replay begins, and the oplog's end after truncation. */
interface RecoveryStart {
  readonly stableTimestamp: { readonly $timestamp: Timestamp };
  readonly topOfOplog: { readonly ts: { readonly $timestamp: Timestamp } };
}

const recoveringFromStable = 21544;

async function readRecoveryStart(server: MongodProcess): Promise<RecoveryStart | undefined> {
  const lines = (await readLog(server)).split('\n').filter((line) => line.includes(`"id":${recoveringFromStable},`));
  const line = lines.at(-1);
  return line === undefined ? undefined : (JSON.parse(line) as { attr: RecoveryStart }).attr;
}

/**
 * Two things that mongod's recovery accepts without a word, read from its log: a checkpoint later than `time` (it
 * stops there instead), and no stable checkpoint at all.
 * @throws HoldfastError Internal
 */
export async function checkRecovery(server: MongodProcess, time: Timestamp): Promise<void> {
  const start = await readRecoveryStart(server);
  if (start === undefined) {
    throw new HoldfastError('Internal', 'The witness has no stable checkpoint: its oplog was not replayed.');
  }
  const { stableTimestamp, topOfOplog } = start;
  if (compareTimestamps(stableTimestamp.$timestamp, time) > 0) {
    const both = `${formatTimestamp(stableTimestamp.$timestamp)}, which is after ${formatTimestamp(time)}`;
    throw new HoldfastError('Internal', `The witness was copied too late: its checkpoint is of ${both}.`);
  }
  if (compareTimestamps(topOfOplog.ts.$timestamp, time) !== 0) {
    const both = `${formatTimestamp(topOfOplog.ts.$timestamp)} instead of ${formatTimestamp(time)}`;
    throw new HoldfastError('Internal', `The oplog of the witness ends at ${both}.`);
  }
}

import { type CostItem, makeItem } from './cost-items.ts';
import { prices } from './prices.ts';
import { archiveTurnSeconds } from './stage-sizes.ts';

/** What an oplog archive costs on AWS by the month: each part of keeping it up, idle or not, and what is written. */
export interface ArchivePolicy {
  /** Replica sets that are archived. */
  readonly sets: number;
  /** Bytes of oplog that a set writes in a day; 0 for an idle one. */
  readonly oplogBytesPerDay: number;
  readonly retentionDays: number;
  /** Slices are read back after they were written, and each day: all of them, or one of ten. */
  readonly verify: 'all' | 'sample';
  readonly storedOnAws: boolean;
}

/** Requests are those that a turn makes; how long functions take, and what they log, is estimated upwards. */
export const archiveAssumptions = {
  /** Of the Express workflow of a turn, in seconds, with the connections that it opens; billed in 64 MB for 100 ms. */
  turnSeconds: 3,
  /** Functions of a turn: who finds the sets (512 MB), who archives (1024 MB); 1.5 s each, in GB-seconds. */
  findWork: 0.75,
  archiveWork: 1.5,
  /** Requests to S3 of a turn in which nothing happens: the progress is read twice and written; the last slice's header. */
  turnReads: 4,
  turnWrites: 1,
  /** Of a slice: the lease is taken and given back, the slice written; the fence, the lease, the slice itself read. */
  sliceReads: 6,
  sliceWrites: 3,
  /** Every state of the workflow, and three lines of each function. */
  logBytesOfTurn: 10_000,
  /** What zstd leaves of an oplog. */
  compression: 0.4,
  /** Bytes of entries at which a slice is closed. */
  sliceBytes: 16 * 2 ** 20,
  /** Alarms that watch the archives of a stage. */
  alarms: 3,
  /** GB-seconds of one hourly look whether a check is due, and of looking at one slice. */
  lookWork: 0.9,
  sliceWork: 0.05,
} as const;

const daysPerMonth = 365 / 12;
const gib = 2 ** 30;

/** Slices of a day: of an idle set one an hour. */
function slicesPerDay({ oplogBytesPerDay }: ArchivePolicy): number {
  const turns = 86_400 / archiveTurnSeconds;
  if (oplogBytesPerDay === 0) return 24;
  return Math.min(turns, oplogBytesPerDay / 1000) + oplogBytesPerDay / archiveAssumptions.sliceBytes;
}

/** The items of a month, those of nothing included. */
export function archiveCost(policy: ArchivePolicy): CostItem[] {
  const { sets, oplogBytesPerDay, retentionDays, verify, storedOnAws } = policy;
  if (sets === 0) return [];
  const a = archiveAssumptions;
  const turns = (daysPerMonth * 86_400) / archiveTurnSeconds;
  const written = sets * slicesPerDay(policy) * daysPerMonth;
  const kept = sets * slicesPerDay(policy) * retentionDays;
  const checks = kept * daysPerMonth;
  // Of a sample the others are known from the index.
  const read = verify === 'all' ? 1 : 0.1;
  // Of each day an object, read by the check and by prune; written for the days that changed.
  const indexReads = 2 * daysPerMonth * sets * retentionDays;
  const indexWrites = 2 * daysPerMonth * sets;
  const hours = daysPerMonth * 24;
  const work = turns * (a.findWork + sets * a.archiveWork) + hours * a.lookWork + checks * a.sliceWork;
  const reads = turns * sets * a.turnReads + written * a.sliceReads + checks * read + hours * sets + indexReads;
  // Lists cost as writes do: of a thousand slices one, when they are checked, and when they are pruned; of the index one, and
  // one of the state each hour, to see whether a check is due.
  const lists = 2 * daysPerMonth * (2 + kept / 1000) + hours;
  const writes = turns * sets * a.turnWrites + written * a.sliceWrites + lists + indexWrites;
  const bytes = sets * oplogBytesPerDay * a.compression * retentionDays;
  // For each connection, anew: a rotated secret holds at once.
  const secretReads = turns * (1 + sets);
  const of = 'deployment';
  return [
    makeItem('archive, workflow', of, turns, prices.expressRequest),
    makeItem('archive, workflow duration', of, turns * a.turnSeconds * (64 / 1024), prices.expressDuration),
    makeItem('archive, Lambda requests', of, turns * (1 + sets) + hours, prices.lambdaRequest),
    makeItem('archive, Lambda duration', of, work, prices.lambdaDuration),
    makeItem('archive, S3 writes', of, writes, prices.s3Write),
    makeItem('archive, S3 reads', of, reads, prices.s3Read),
    makeItem('archive, S3 storage', of, storedOnAws ? bytes / gib : 0, prices.s3Storage),
    makeItem('archive, logs', of, (turns * a.logBytesOfTurn) / gib, prices.logsIngested),
    makeItem('archive, secrets', of, secretReads, prices.secretRequest),
    makeItem('archive, KMS', of, secretReads + (reads + writes) / 100, prices.kmsRequest),
    makeItem('archive, alarms', 'stage', a.alarms, prices.alarm),
  ];
}

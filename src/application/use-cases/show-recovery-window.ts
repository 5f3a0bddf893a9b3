import { describeGaps } from '../../domain/gap-reasons.ts';
import {
  reachOfBases,
  recoveryWindow,
  serveTime,
  type TimeRange,
  type WindowHole,
} from '../../domain/recovery-window.ts';
import { compareTimestamps, formatTimestamp, type Timestamp } from '../../domain/timestamp.ts';
import { parseWantedTime } from '../../domain/wanted-time.ts';
import type { Clock } from '../ports/clock.ts';
import type {
  RecoveryWindowReport,
  ReplicaSetWindow,
  ServingReport,
  WindowHoleReport,
} from '../ports/holdfast-client.ts';
import { readStallToBegin } from '../archive-progress.ts';
import {
  isArchived,
  readRecoverySources,
  told,
  type RecoverySources,
  type RecoverySourcesDeps,
} from '../recovery-sources.ts';
import { deploymentOf } from '../run-folder.ts';

export interface ShowRecoveryWindowDeps extends RecoverySourcesDeps {
  readonly clock: Clock;
}

/**
 * To which times a deployment can be restored, per replica set, and what keeps it from the others.
 * @param at also says which base and which slices serve that time: as `restore --at` takes it
 * @throws UnknownDeployment when it is neither configured nor in any storage; InvalidInput, the storages' errors
 */
export async function showRecoveryWindow(
  { deployment, at }: { readonly deployment: string; readonly at?: string | undefined },
  deps: ShowRecoveryWindowDeps,
): Promise<RecoveryWindowReport> {
  const wanted = at === undefined ? undefined : parseWantedTime(at);
  const sources = await readRecoverySources(deployment, {}, deps);
  if (sources.length === 0) deploymentOf(deps.settings, deployment);
  const now = deps.clock.now();
  const sets = sources.map((set) => windowOf(set, now, wanted));
  const stalled = isArchived(deployment, deps) ? told(await readStallToBegin(deployment, deps)) : undefined;
  return { deployment, now: now.toISOString(), ...(stalled && { stalled }), replicaSets: sets.sort(byLatest) };
}

/** The set that is alive comes first. */
function byLatest({ latest: a }: ReplicaSetWindow, { latest: b }: ReplicaSetWindow): number {
  return compareTimestamps(b ?? { t: 0, i: 0 }, a ?? { t: 0, i: 0 });
}

function windowOf(sources: RecoverySources, now: Date, wanted: Timestamp | 'latest' | undefined): ReplicaSetWindow {
  const reaches = reachOfBases(sources);
  const { ranges, holes } = recoveryWindow(reaches, sources.gaps);
  const latest = ranges.at(-1)?.to ?? null;
  const time = wanted === 'latest' ? latest : wanted;
  return {
    replicaSet: sources.replicaSet,
    replicaSetId: sources.replicaSetId,
    ranges,
    holes: holes.map((hole) => describeHole(hole, sources)),
    unreadable: sources.unreadable.map(({ storage, key, from, reason }) => ({ storage, key, from, reason })),
    ...(sources.stalled && { stalled: sources.stalled }),
    latest,
    rpoSeconds: latest === null ? null : secondsSince(latest, now),
    backups: new Set(sources.bases.map(({ backupId }) => backupId)).size,
    slices: sources.slices.length,
    archivedBytes: sources.slices.reduce((total, { size }) => total + size, 0),
    ...(time === undefined || time === null ? {} : { serving: serving(reaches, time) }),
  };
}

/** Clocks of machines that keep them differ by less. */
const usualDifference = 60;

/** Negative where the set's time is ahead of the clock here: nobody knows then, and 0 would say that all is well. */
function secondsSince({ t }: Timestamp, now: Date): number {
  const seconds = Math.floor(now.getTime() / 1000) - t;
  return seconds < 0 && seconds >= -usualDifference ? 0 : seconds;
}

function serving(reaches: Parameters<typeof serveTime>[0], time: Timestamp): ServingReport {
  const served = serveTime(reaches, time);
  if (!served) return { time, backup: null, slices: [] };
  const { backupId, storage, method, point } = served.base;
  const slices = served.slices.map(({ storage: where, key, from, to }) => ({
    storage: where,
    key,
    from: from.ts,
    to: to.ts,
  }));
  return { time, backup: { backupId, storage, method, point: point.ts }, slices };
}

function describeHole({ from, to, gaps }: WindowHole & TimeRange, { unreadable }: RecoverySources): WindowHoleReport {
  const isWithin = (time: Timestamp) => compareTimestamps(from, time) <= 0 && compareTimestamps(time, to) < 0;
  const damaged = unreadable.filter((slice) => isWithin(slice.from)).map(({ key }) => `${key} can't be read`);
  const why = [...(gaps.length > 0 || damaged.length === 0 ? [describeGaps(gaps)] : []), ...damaged].join('; ');
  return {
    from,
    to,
    reason: `${why}; the next base is of ${formatTimestamp(to)}`,
    gaps: gaps.map((gap) => ({
      reason: gap.reason,
      after: gap.after.ts,
      before: gap.before.ts,
      foundAt: gap.foundAt,
      explanation: gap.explanation,
    })),
  };
}

import type {
  PrunedArchive,
  RecoveryWindowReport,
  ReplicaSetWindow,
  ServingReport,
} from '../../src/application/ports/holdfast-client.ts';
import { formatTimestamp, type Timestamp, timestampToDate } from '../../src/domain/timestamp.ts';
import { renderFacts, renderTable } from './tables.ts';
import { formatBytes, formatCount, formatCountOf, formatMoment, formatSeconds, momentLines } from './units.ts';

/** As people read it, and as `--at` takes it. */
function timeLines(time: Timestamp, timeZone?: string): readonly string[] {
  return [...momentLines(timestampToDate(time), timeZone), formatTimestamp(time)];
}

/** The recovery window for people: ranges and what is between them, oldest first. */
export function renderWindow({ deployment, stalled, replicaSets }: RecoveryWindowReport, timeZone?: string): string {
  const notBegun = stalled ? [renderFacts([['not archived', sinceAndWhy(stalled, timeZone)]])] : [];
  const sets = replicaSets.map((set) => renderSet(deployment, set, timeZone));
  if (sets.length === 0) sets.push(`Nothing of ${deployment} can be restored. Take a backup with \`holdfast backup\`.`);
  return [...notBegun, ...sets].join('\n\n');
}

function sinceAndWhy({ since, why }: NonNullable<ReplicaSetWindow['stalled']>, timeZone?: string): string {
  return `since ${formatMoment(new Date(since), timeZone)}: ${why}`;
}

function renderSet(deployment: string, set: ReplicaSetWindow, timeZone?: string): string {
  const { replicaSet, replicaSetId, latest, rpoSeconds, backups, slices, archivedBytes, stalled } = set;
  const facts = renderFacts([
    ['deployment', deployment],
    ['replica set', replicaSetId === null ? replicaSet : `${replicaSet} (${replicaSetId})`],
    [
      'latest',
      latest === null ? 'none' : `${formatMoment(timestampToDate(latest), timeZone)}, ${formatTimestamp(latest)}`,
    ],
    ['lost if it broke now', rpoSeconds === null ? 'everything' : lostNow(rpoSeconds)],
    ['backups', formatCount(backups)],
    ['archive', `${formatCountOf(slices, 'slice')}, ${formatBytes(archivedBytes)}`],
    ...(stalled ? [['not archived', sinceAndWhy(stalled, timeZone)] as const] : []),
    ...set.unreadable.map(({ storage, key, reason }) => ['damaged', `${key} in ${storage}: ${reason}`] as const),
  ]);
  const serving = set.serving ? [renderServing(set.serving, timeZone)] : [];
  const ranges =
    set.ranges.length > 0
      ? renderRanges(set, timeZone)
      : `Nothing can be restored: the archive goes on from a backup, and there is none. Take one with \`holdfast backup ${deployment}\`.`;
  return [facts, ranges, ...serving].join('\n\n');
}

function lostNow(seconds: number): string {
  if (seconds >= 0) return formatSeconds(seconds);
  return `not known: the time of the replica set is ${formatSeconds(-seconds)} ahead of the clock here`;
}

function renderRanges({ ranges, holes }: ReplicaSetWindow, timeZone?: string): string {
  const rows = ranges.flatMap(({ from, to }, n) => {
    const hole = holes[n];
    const range = ['restorable', timeLines(from, timeZone), timeLines(to, timeZone), ''];
    if (!hole) return [range];
    const why = [hole.reason, ...hole.gaps.map(({ explanation }) => explanation)];
    return [range, ['missing', timeLines(hole.from, timeZone), timeLines(hole.to, timeZone), why]];
  });
  return renderTable(['', 'from', 'to', 'why'], rows);
}

/** Slices are many: the first and the last say where they are. */
function renderServing({ time, backup, slices }: ServingReport, timeZone?: string): string {
  const wanted = ['time', `${formatMoment(timestampToDate(time), timeZone)}, ${formatTimestamp(time)}`] as const;
  if (!backup) return renderFacts([wanted, ['served by', 'nothing: it is in none of the ranges']]);
  const [first, last] = [slices[0], slices.at(-1)];
  return renderFacts([
    wanted,
    ['base', `${backup.backupId} in ${backup.storage}, of ${formatMoment(timestampToDate(backup.point), timeZone)}`],
    ['slices', first && last ? `${formatCount(slices.length)} of the archive, after its own` : 'its own'],
    ...(first && last
      ? [['first', `${first.key} in ${first.storage}`] as const, ['last', `${last.key} in ${last.storage}`] as const]
      : []),
  ]);
}

/** What went of each archive, or would go. */
export function renderPruned(pruned: readonly PrunedArchive[], dryRun: boolean, timeZone?: string): string {
  if (pruned.length === 0) return 'No deployment has an oplog archive that is on.';
  return renderTable(
    ['deployment', 'replica set', 'storage', dryRun ? 'would go' : 'gone', 'up to', 'stays', 'promised from'],
    pruned.map(({ deployment, replicaSet, replicaSetId, storage, slices, bytes, upTo, kept, promisedFrom }) => [
      deployment,
      [replicaSet, replicaSetId],
      storage,
      `${formatCountOf(slices, 'slice')}, ${formatBytes(bytes)}`,
      upTo === null ? '–' : timeLines(upTo, timeZone),
      formatCountOf(kept, 'slice'),
      momentLines(timestampToDate(promisedFrom), timeZone),
    ]),
  );
}

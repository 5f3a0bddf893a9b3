import type { ArchivedSet, CheckedArchive } from '../../src/application/ports/holdfast-client.ts';
import { formatTimestamp, type Timestamp, timestampToDate } from '../../src/domain/timestamp.ts';
import { renderTable } from './tables.ts';
import { formatBytes, formatCountOf, formatMoment } from './units.ts';

/** What a turn of the archive came to, a line for each replica set. */
export function renderArchivedSets(sets: readonly ArchivedSet[]): string {
  return renderTable(
    ['REPLICA SET', 'STATUS', 'ARCHIVED TO', 'CHECKED TO', 'SLICES', 'ENTRIES', 'OPLOG', 'STORED', 'MEMBER'],
    sets.map(({ turn }) => [
      turn.replicaSet,
      turn.status,
      turn.archivedTo ?? '-',
      turn.checkedTo ?? '-',
      String(turn.slices),
      String(turn.entries),
      formatBytes(turn.rawBytes),
      formatBytes(turn.storedBytes),
      turn.member ?? '-',
    ]),
  );
}

/** What the check of archives found, a line for each loss and each slice that was replaced. */
export function renderChecked(checked: readonly CheckedArchive[], timeZone?: string): string {
  const show = (time: Timestamp) => `${formatMoment(timestampToDate(time), timeZone)}, ${formatTimestamp(time)}`;
  return renderTable(
    ['replica set', 'looked at', 'found', 'from', 'to', 'damaged'],
    checked.flatMap(({ replicaSet, slices, losses, replaced }) => {
      const looked = formatCountOf(slices, 'slice');
      if (losses.length + replaced.length === 0) return [[replicaSet, looked, 'all whole', '', '', '']];
      return [
        ...losses.map(({ after, before, damaged }) => [
          ...[replicaSet, looked, 'lost: a gap is recorded', show(after), show(before)],
          damaged.length === 0 ? 'gone' : damaged,
        ]),
        ...replaced.map((key) => [replicaSet, looked, 'replaced: whole, and not what it was', '', '', key]),
      ];
    }),
  );
}

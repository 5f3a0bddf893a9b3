import type { ArchivedSet } from '../../src/application/ports/holdfast-client.ts';
import { renderTable } from './tables.ts';
import { formatBytes } from './units.ts';

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

import type { LogicalBase, PhysicalBase, SnapshotBase } from './base.ts';
import type { StoredObject } from './backup-index.ts';
import { HoldfastError } from './errors.ts';
import type { ManifestPart } from './manifest.ts';
import { compareTimestamps, formatTimestamp, type OpTime, type Timestamp } from './timestamp.ts';

/** The parts of backups by what they hold: what reads a part says which kind it can read. */

type Captured = ManifestPart & { readonly point: OpTime; readonly oplog: NonNullable<ManifestPart['oplog']> };

/** Collections in packs, and their oplog. */
export type LogicalPart = Captured & { readonly base: LogicalBase };
/** Files in packs, and the oplog that they are recovered with. */
export type PhysicalPart = Captured & { readonly base: PhysicalBase };
/** Files in a snapshot that is kept; of a standalone without point and oplog, and so of its own time only. */
export type SnapshotPart = (Captured | (ManifestPart & { readonly point: null; readonly oplog: null })) & {
  readonly base: SnapshotBase;
};
/** What becomes a data directory as the files of a member. */
export type FilesPart = PhysicalPart | SnapshotPart;

const isCaptured = (part: ManifestPart): part is Captured => part.point !== null && part.oplog !== null;

export function isLogicalPart(part: ManifestPart): part is LogicalPart {
  return part.base.method === 'logical' && isCaptured(part);
}

export function isPhysicalPart(part: ManifestPart): part is PhysicalPart {
  return part.base.method === 'physical' && isCaptured(part);
}

export function isSnapshotPart(part: ManifestPart): part is SnapshotPart {
  return part.base.method === 'snapshot' && (part.point === null) === (part.oplog === null);
}

export function isFilesPart(part: ManifestPart): part is FilesPart {
  return isPhysicalPart(part) || isSnapshotPart(part);
}

/** @throws MethodNotAvailable for a part of another kind */
export function requireLogicalPart(part: ManifestPart): LogicalPart {
  if (isLogicalPart(part)) return part;
  throw new HoldfastError(
    'MethodNotAvailable',
    `The part ${part.name} is a ${part.base.method} base: collections cannot be loaded from it as it is.`,
    { next: 'Restore it to a data directory.' },
  );
}

/**
 * @param restoreTime null for a standalone's snapshot, which is of its own time
 * @throws InvalidInput for a time that the part's base can't be brought to
 */
export function requireReachable(
  { point }: Pick<ManifestPart, 'point'>,
  restoreTime: Timestamp | null,
  backupId: string,
): void {
  const isReachable =
    point === null || restoreTime === null ? point === restoreTime : compareTimestamps(restoreTime, point.ts) >= 0;
  if (isReachable) return;
  const asked = restoreTime === null ? 'its own time' : formatTimestamp(restoreTime);
  const base =
    point === null ? "it is a standalone's snapshot, without an oplog" : `its base is of ${formatTimestamp(point.ts)}`;
  throw new HoldfastError('InvalidInput', `The backup ${backupId} can't be restored to ${asked}: ${base}.`);
}

/** What the artifact storage holds for a part: its index, the packs that the index names, the slices of its oplog range. */
export function partObjects({ base, oplog }: Pick<ManifestPart, 'base' | 'oplog'>): StoredObject[] {
  const data = base.method === 'snapshot' ? [] : [base.index, ...base.packs];
  return [...data, ...(oplog?.slices ?? [])].map(({ key, size, crc32 }) => ({ key, size, crc32 }));
}

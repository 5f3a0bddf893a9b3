import type { SnapshotFacts } from './base.ts';
import { HoldfastError } from './errors.ts';
import type { MemberSnapshot } from './run-documents.ts';

/** What the manifest says of a snapshot that is whole. @throws Internal for one that is not */
export function snapshotFacts({ taken, consistency, lockSeconds, completed }: MemberSnapshot): SnapshotFacts {
  if (completed === null) throw new HoldfastError('Internal', 'a snapshot is used before it is whole');
  return { ...taken, snapshots: completed.snapshots, completedAt: completed.at, consistency, lockSeconds };
}

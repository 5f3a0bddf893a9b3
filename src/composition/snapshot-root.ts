import { join } from 'node:path';
import type { SnapshotFacts } from '../domain/base.ts';
import { HoldfastError } from '../domain/errors.ts';

/** Where the data directory of a snapshot is to be read on the machine that made it. @throws MethodNotAvailable */
export function localSnapshotRoot({ type, snapshots, dataPath }: SnapshotFacts): string {
  const [first, ...others] = snapshots;
  if (type === 'directory' && first !== undefined && others.length === 0) return join(first.id, dataPath);
  throw new HoldfastError(
    'MethodNotAvailable',
    `The snapshot ${snapshots.map(({ id }) => id).join(', ')} is one of volumes: nothing on this machine can read it.`,
    { next: 'Restore it on AWS, where a volume is made from it.' },
  );
}

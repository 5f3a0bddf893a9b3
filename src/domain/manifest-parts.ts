import type { LogicalBase, PhysicalBase } from './base.ts';
import type { StoredObject } from './backup-index.ts';
import { HoldfastError } from './errors.ts';
import type { ManifestPart } from './manifest.ts';
import type { OpTime } from './timestamp.ts';

/** The parts of backups by what they hold: what reads a part says which kind it can read. */

type Captured = ManifestPart & { readonly point: OpTime; readonly oplog: NonNullable<ManifestPart['oplog']> };

/** Collections in packs, and their oplog. */
export type LogicalPart = Captured & { readonly base: LogicalBase };
/** Files in packs, and the oplog that they are recovered with. */
export type PhysicalPart = Captured & { readonly base: PhysicalBase };

const isCaptured = (part: ManifestPart): part is Captured => part.point !== null && part.oplog !== null;

export function isLogicalPart(part: ManifestPart): part is LogicalPart {
  return part.base.method === 'logical' && isCaptured(part);
}

export function isPhysicalPart(part: ManifestPart): part is PhysicalPart {
  return part.base.method === 'physical' && isCaptured(part);
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

/** What the artifact storage holds for a part: its index, the packs that the index names, the slices of its oplog range. */
export function partObjects({ base, oplog }: Pick<ManifestPart, 'base' | 'oplog'>): StoredObject[] {
  const data = base.method === 'snapshot' ? [] : [base.index, ...base.packs];
  return [...data, ...(oplog?.slices ?? [])].map(({ key, size, crc32 }) => ({ key, size, crc32 }));
}

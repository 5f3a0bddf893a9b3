import type { Manifest } from '../domain/manifest.ts';
import { isHoldfastError } from '../domain/errors.ts';
import { compareTimestamps, type OpTime, type Timestamp } from '../domain/timestamp.ts';
import type { ArchiveStart } from '../engine/oplog/archive-writer.ts';
import { entryBefore, hasOplogEntry } from '../engine/oplog/oplog-source.ts';
import { readStoredSlice } from '../engine/oplog/read-chain.ts';
import type { PreparedTransaction } from '../engine/oplog/slice-format.ts';
import { oldestOpenTransaction, type Source } from '../engine/source/member-state.ts';
import { type CatalogDeps, type CatalogEntry, findManifests, readableManifests } from './catalog.ts';
import type { Logger } from './ports/logger.ts';

interface SetOfDeployment {
  readonly deployment: string;
  readonly replicaSetId: string;
  /** The end of the chain before: no later one begins at it or before. */
  readonly notBefore?: Timestamp | undefined;
}

/** Older ones are hardly in any oplog any more. */
const newestBackups = 10;

/**
 * Where a chain of slices begins. At the end of the newest backup's own oplog range, when the member still holds that entry:
 * then restores reach from that backup into the archive at once. Else at the older of the majority commit point and the oldest
 * open transaction (consistency rule 6): what a base's own slices hold of earlier transactions need not be here again.
 * @returns undefined while the oplog has a single entry
 */
export async function chooseArchiveStart(
  source: Source,
  majority: OpTime,
  set: SetOfDeployment,
  deps: CatalogDeps & { readonly logger: Logger },
): Promise<ArchiveStart | undefined> {
  const { notBefore } = set;
  for (const { opTime, prepared } of await endsOfBackups(set, deps)) {
    const between =
      compareTimestamps(opTime.ts, majority.ts) < 0 && (!notBefore || compareTimestamps(opTime.ts, notBefore) > 0);
    if (between && (await hasOplogEntry(source, opTime))) return { from: opTime, prepared, begins: true };
  }
  const open = await oldestOpenTransaction(source);
  const from = open && compareTimestamps(open.ts, majority.ts) < 0 ? open : await entryBefore(source, majority);
  return from && { from, prepared: [], begins: true };
}

/** Of the newest backups of the set, the last entry that each of them holds. */
export async function endsOfBackups(
  { deployment, replicaSetId }: SetOfDeployment,
  deps: CatalogDeps & { readonly logger: Logger },
): Promise<{ opTime: OpTime; prepared: readonly PreparedTransaction[] }[]> {
  const entries = (await findManifests({ deployment }, deps)).sort((a, b) => (a.backupId < b.backupId ? 1 : -1));
  const ends: { opTime: OpTime; prepared: readonly PreparedTransaction[] }[] = [];
  for (const { entry, manifest } of await readableManifests(entries.slice(0, newestBackups), deps.logger)) {
    const end = await endOf(entry, manifest, replicaSetId);
    if (end) ends.push(end);
  }
  return ends;
}

async function endOf({ storage }: CatalogEntry, manifest: Manifest, replicaSetId: string) {
  const last = manifest.parts.find(({ topology }) => topology.replicaSetId === replicaSetId)?.oplog?.slices.at(-1);
  if (!last) return undefined;
  try {
    const { header } = await readStoredSlice(storage, last);
    return { opTime: header.to, prepared: header.prepared };
  } catch (error) {
    if (isHoldfastError(error, 'ObjectNotFound', 'CorruptObject')) return undefined;
    throw error;
  }
}

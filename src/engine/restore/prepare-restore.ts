import type { MongoClient } from 'mongodb';
import type { ObjectStore } from '../../application/ports/object-store.ts';
import { HoldfastError } from '../../domain/errors.ts';
import type { Manifest } from '../../domain/manifest.ts';
import { type LogicalPart, requireLogicalPart, requireReachable } from '../../domain/manifest-parts.ts';
import { artifactKeys } from '../../domain/names.ts';
import type { NamespaceSelection } from '../../domain/namespace-selection.ts';
import type { Timestamp } from '../../domain/timestamp.ts';
import { readSliceStream, type SliceInStore } from '../oplog/read-slices.ts';
import { type BackupIndex, readIndex } from '../packs/index-reader.ts';
import type { PackSource } from '../packs/pack-reader.ts';
import { NamesAtEnd } from '../replay/names-at-end.ts';
import { type OplogScan, scanOplog } from '../replay/scan-oplog.ts';
import { checkArtifacts, checkIndexAgainstManifest } from './check-artifacts.ts';
import { checkAuthSchema } from './check-auth-schema.ts';
import { checkTarget, type TargetFacts } from './check-target.ts';
import { carriedCollections } from './load-collections.ts';
import { readBaseViews, type SelectedNames, selectNames } from './select-names.ts';

/** What is to be restored, and whether the target may be replaced. */
export interface RestoreSubject {
  readonly runId: string;
  readonly manifest: Manifest;
  readonly part: string;
  readonly restoreTime: Timestamp;
  /** Slices of the oplog archive, in order, that lead on from the backup's own; none for a time that those reach. */
  readonly archived?: readonly SliceInStore[] | undefined;
  /** Only these collections, or under other names; undefined for everything as it is. */
  readonly selection?: NamespaceSelection | undefined;
  /** Restores users and roles too: everyone in the target is replaced but the restoring user. */
  readonly users: boolean;
  /** The target's name, typed: everything in it is deleted first. */
  readonly overwrite?: string | undefined;
}

interface PrepareDeps {
  readonly client: MongoClient;
  readonly store: ObjectStore;
  readonly signal: AbortSignal;
}

/** Everything that was proved before the first byte goes to the target. */
export interface PreparedRestore {
  readonly part: LogicalPart;
  readonly facts: TargetFacts;
  readonly index: BackupIndex;
  readonly packs: PackSource;
  /** The backup's own slices and those of the archive, as one chain. */
  readonly slices: readonly SliceInStore[];
  readonly scan: OplogScan;
  /** Undefined for everything under its own name. */
  readonly selected: SelectedNames | undefined;
}

function findPart({ manifest, part: name, restoreTime }: RestoreSubject): LogicalPart {
  const found = manifest.parts.find((one) => one.name === name);
  if (!found) throw new HoldfastError('UnknownBackup', `The backup ${manifest.backupId} has no part ${name}.`);
  const part = requireLogicalPart(found);
  requireReachable(part, restoreTime, manifest.backupId);
  return part;
}

/**
 * Everything that can be known beforehand about backup, target and oplog. Writes nothing.
 * @throws UnknownBackup, InvalidInput, TargetUnreachable, TargetNotSuitable, MissingPrivileges, TargetIsSource,
 *   TargetNotEmpty, ObjectNotFound, CorruptObject, UnsupportedFormat, UnsupportedOplogEntry, OplogGap, VerificationFailed
 */
export async function prepareRestore(input: RestoreSubject, deps: PrepareDeps): Promise<PreparedRestore> {
  const part = findPart(input);
  const facts = await checkTarget(deps.client, input);
  await checkArtifacts(deps.store, part, deps.signal);
  const { deployment, backupId } = input.manifest;
  const partPrefix = artifactKeys.part(deployment, backupId, part.name);
  const index = await readIndex(deps.store, part.base.index);
  checkIndexAgainstManifest(index, input.manifest, part);
  const packs = { store: deps.store, codec: index.codec, keyOf: (pack: string) => artifactKeys.pack(partPrefix, pack) };
  if (input.users) await checkAuthSchema(deps.client, index, packs);
  const carried = carriedCollections(index, input.users);
  const slices = [...part.oplog.slices.map((slice) => ({ store: deps.store, slice })), ...(input.archived ?? [])];
  const names = input.selection && new NamesAtEnd();
  const base = carried.map(({ uuid, ns }) => [uuid, ns] as const);
  const scan = await scanOplog(readSliceStream(slices), {
    restoreTime: input.restoreTime,
    from: part.base.captureFrom,
    applyFrom: part.base.applyFrom.ts,
    users: input.users,
    base,
    names,
  });
  const end = names?.resolve(base, await readBaseViews(index, packs), (one) => scan.transactions.isApplied(one));
  const selected = input.selection && end && selectNames(end, input.selection, input.users);
  return { part, facts, index, packs, slices, scan, selected };
}

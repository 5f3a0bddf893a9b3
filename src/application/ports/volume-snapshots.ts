import type { SnapshotFacts } from '../../domain/base.ts';
import type { DataLayout } from '../../domain/data-layout.ts';
import type { PlannedVolume } from '../../domain/run.ts';
import type { DeploymentSettings } from '../../domain/settings.ts';

/** Whose snapshot it is: what it is found again by. */
export interface SnapshotOwner {
  readonly runId: string;
  readonly part: string;
}

export interface OwnedSnapshots extends SnapshotOwner {
  /** Whether they were made to be a backup. */
  readonly kept: boolean;
  readonly snapshots: readonly OwnedSnapshot[];
}

/** One that carries its owner's tags: so does a copy of it that somebody made with them. */
export interface OwnedSnapshot {
  readonly id: string;
  /** Of a copy no volume that there is. */
  readonly volume: string;
  /** When it was begun; undefined when nobody says. */
  readonly startedAt: Date | undefined;
}

export interface SnapshotRequest extends SnapshotOwner {
  readonly deployment: string;
  /** `host:port`. */
  readonly member: string;
  readonly volume: PlannedVolume;
  /** Whether the snapshot is the backup; else only its files are copied. */
  readonly keep: boolean;
}

/** A snapshot of which the call has returned. What it does not know yet is filled in by {@link VolumeSnapshots.look}. */
export type TakenSnapshot = Omit<SnapshotFacts, 'completedAt' | 'consistency' | 'lockSeconds'>;

export interface SnapshotProgress {
  readonly state: 'pending' | 'completed';
  /** 0 to 100; null when unknown. */
  readonly percent: number | null;
  /** Null while it is pending, and where nobody can look into it. */
  readonly layout: DataLayout | null;
  readonly snapshots: SnapshotFacts['snapshots'];
}

/** Snapshots of the volume under a member's data (AWS: EBS; embedded: copies of the data directory of a local mongod). */
export interface VolumeSnapshots {
  /**
   * The volume under the member's data, when it can be snapshotted and read by a worker; looked at in the plan.
   * @returns undefined when none is known for this member
   * @throws VolumeNotFound, VolumeLayoutUnsupported with what to do instead
   */
  find(deployment: DeploymentSettings, member: string): Promise<PlannedVolume | undefined>;
  /**
   * The process that has the volume's data open, as the data itself says; undefined where nobody can tell.
   * Compared with the member: a wrong path in the config would be a backup of something else.
   */
  openedBy(volume: PlannedVolume): Promise<number | undefined>;
  /**
   * Takes the snapshot: when it resolves its content is fixed, and the member may be unlocked. What is written later is not
   * in it. Not idempotent: {@link adopt} first. What it leaves when it fails or is aborted {@link delete} finds: that is not
   * done here, because the member may be locked.
   * @throws SnapshotFailed, VolumeNotFound, VolumeLayoutUnsupported
   */
  create(request: SnapshotRequest, signal?: AbortSignal): Promise<TakenSnapshot>;
  /**
   * The snapshot that an earlier try of the same state has made whole; undefined when there is none.
   * @param since ISO 8601: when the start that it is to be paired with was read. One that was taken earlier, and is
   *   shown only now, is none: nobody captures the oplog between them.
   */
  adopt(request: SnapshotRequest, since: string): Promise<TakenSnapshot | undefined>;
  /** @throws SnapshotFailed */
  look(owner: SnapshotOwner, taken: TakenSnapshot): Promise<SnapshotProgress>;
  /** Deletes what there is of this owner, whole or not; nothing there is no fault. */
  delete(owner: SnapshotOwner): Promise<void>;
  /** What carries the tags of snapshots, each owner once. Left out where none is found but in its run's folder. */
  list?(): Promise<OwnedSnapshots[]>;
  /** Deletes these, of whomever; nothing there is no fault. Left out with {@link list}. */
  discard?(ids: readonly string[]): Promise<void>;
}

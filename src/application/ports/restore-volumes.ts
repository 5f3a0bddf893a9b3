/** A kept snapshot, as it is now. */
export interface SnapshotLook {
  readonly state: string;
  readonly sizeGiB: number;
  /** What it really holds; null where EBS doesn't say. */
  readonly storedBytes: number | null;
  /** ARN of the key that it is encrypted with; null for none. */
  readonly kmsKey: string | null;
  /** That it is in, of 12 digits. */
  readonly account?: string | undefined;
}

/** An instance that a volume is to be attached to. */
export interface InstanceLook {
  readonly zone: string;
  /** `running`, `stopped`, … */
  readonly state: string;
  /** Names of devices that are in use. */
  readonly devices: readonly string[];
  /** Whether it is tagged as one of this stage's: only then something may be attached to it. */
  readonly ofStage: boolean;
}

/** A volume that a restore made. */
export interface MadeVolume {
  readonly id: string;
  readonly runId: string;
  readonly part: string;
  /** Of the worker that it was made for. */
  readonly attempt: number;
  readonly zone: string;
  /** `creating`, `available`, `in-use`, `deleting`, `error`. */
  readonly state: string;
  /** `attached`: the instance has it; before that, EC2 may still give it up (a key that can't be used). */
  readonly attachedTo: { readonly instance: string; readonly device: string; readonly attached: boolean } | null;
  /** Whether it was made with everything of its snapshot on it. */
  readonly fastRestored: boolean;
  /** Whether its run has yet to say what becomes of it: only then it can be deleted. */
  readonly unfinished: boolean;
}

/** A volume that a worker reads or works on, and that nobody needs then: it goes with the worker's task, unless that fails. */
export interface TemporaryVolume {
  readonly id: string;
  readonly runId: string;
  /** As of {@link MadeVolume}. */
  readonly state: string;
}

/**
 * Volumes that workers have (AWS: EBS); ECS makes them, with their tasks. All fail with TargetUnreachable for what may pass,
 * and with PermissionDenied, QuotaReached, TargetNotSuitable for what will not.
 */
export interface RestoreVolumes {
  /** Subnets by the availability zone that they are in. */
  zonesOf(subnets: readonly string[]): Promise<Readonly<Record<string, string>>>;
  /** @returns undefined when the volume is gone */
  zoneOfVolume(id: string): Promise<string | undefined>;
  findSnapshot(id: string): Promise<SnapshotLook | undefined>;
  /** How far fast snapshot restore of a snapshot is in a zone: `enabled`, `optimizing`, …; undefined where it is off. */
  fastRestore(snapshot: string, zone: string): Promise<string | undefined>;
  findInstance(id: string): Promise<InstanceLook | undefined>;
  /** Volumes of this stage: of one run, or all whose runs have yet to say what becomes of them. */
  list(runId?: string): Promise<readonly MadeVolume[]>;
  /** Volumes of this stage that nobody needs once their run is over. */
  listTemporary(): Promise<readonly TemporaryVolume[]>;
  /** Deletes a volume that nothing has attached; one that is attached stays. @returns whether it is gone */
  delete(id: string): Promise<boolean>;
  /** Lets a volume go: it is whole, and whoever asked for it has it. It can't be deleted by the stage any more. */
  release(id: string): Promise<void>;
  /** @throws TargetNotSuitable when EC2 refuses it */
  attach(id: string, to: { readonly instance: string; readonly device: string }): Promise<void>;
}

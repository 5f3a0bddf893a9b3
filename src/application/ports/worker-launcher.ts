import type { VolumeFilesystem } from '../../domain/run.ts';
import type { TargetVolume } from '../../domain/volume-target.ts';

/** A new volume that a worker gets when it is launched, mounted where its definition says; on AWS. */
export interface WorkerVolume {
  /** Of the mongod in the worker's image, such as `6.0.5`. */
  readonly mongodbVersion: string;
  /** What it is made from; null for an empty one. */
  readonly snapshotId: string | null;
  /** Null: as large as the snapshot. */
  readonly sizeGiB: number | null;
  /** Of an empty one; of one from a snapshot the one that it had then, else the worker does not come up. */
  readonly filesystem: VolumeFilesystem;
  /** Whether it outlives the worker: what was written there is the result. */
  readonly keep: boolean;
  /** What it is found again by. */
  readonly tags: Readonly<Record<string, string>>;
  /** In which task and volume are made; left out: any of the stage's. A volume never leaves the zone of it. */
  readonly subnet?: string;
  /** Left out: a gp3 with what every gp3 has. */
  readonly performance?: Pick<TargetVolume, 'type' | 'iops' | 'throughput'>;
  /** Left out: as the snapshot is encrypted. Null: encrypted with the account's own key for EBS. */
  readonly kmsKey?: string | null;
  /** MiB/s that the blocks of a snapshot are loaded with; left out: when they are first read. */
  readonly initializationRate?: number;
}

export interface WorkerLaunch {
  readonly runId: string;
  /** Where the task document lies in the state storage: it names command, plan and part. */
  readonly taskKey: string;
  readonly taskToken: string;
  /** Embedded workers see the machine's own file systems, and get none. */
  readonly volume?: WorkerVolume | undefined;
}

/** Starts the program that moves data: a Fargate task on AWS, a child process in embedded mode. */
export interface WorkerLauncher {
  /**
   * Starts one worker. Idempotent per task token: a state that runs again with the same token starts no second worker.
   * Resolves when the worker is started, not when it ends: it answers by the token.
   */
  launch(task: WorkerLaunch): Promise<void>;
  /**
   * Stops every worker of the run, or only those of the attempts named (`<command>-<part>-<attempt>`), and resolves when
   * none of them is left: nothing that they had begun is written any more.
   */
  stopAll(runId: string, attempts?: readonly string[]): Promise<void>;
}

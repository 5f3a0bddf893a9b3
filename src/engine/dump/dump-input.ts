import type { MongoClient } from 'mongodb';
import type { Clock } from '../../application/ports/clock.ts';
import type { Logger } from '../../application/ports/logger.ts';
import type { ObjectStore } from '../../application/ports/object-store.ts';
import type { Codec } from '../../domain/backup-index.ts';
import type { LoadBrake } from '../source/load-brake.ts';
import type { CheckpointPlace } from './checkpoint-writer.ts';

export interface DumpPartInput {
  readonly backupId: string;
  readonly runId: string;
  readonly deployment: string;
  readonly part: string;
  /** Artifact key prefix of the part, `/` at its end. */
  readonly partPrefix: string;
  readonly attempt: number;
  readonly fence: number;
  readonly codec: Codec;
  readonly level: number;
  /** Collections that are read at once. */
  readonly parallel: number;
  /** `host:port`. */
  readonly member: string;
  readonly replicaSet: string;
  readonly replicaSetId: string;
  readonly toolVersion: string;
  /** A pack is closed before it grows beyond; what a lost worker loses is this and what is in flight. Default 128 MiB. */
  readonly maxPackBytes?: number;
}

export interface DumpProgress {
  readonly phase: 'dump' | 'capture';
  readonly documents: number;
  readonly rawBytes: number;
  /** That were asked for their size, and that were read to their end: work that shows in no other number. */
  readonly collections: number;
  readonly storedBytes: number;
  /** Expected raw bytes, by the server's counters; null until the catalog has been read. */
  readonly totalBytes: number | null;
}

export interface DumpPartDeps {
  /** A direct connection to the member. */
  readonly client: MongoClient;
  /** The artifact storage. */
  readonly store: ObjectStore;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly signal: AbortSignal;
  /** Called after every frame: throttle what is costly. */
  readonly onProgress: (progress: DumpProgress) => void;
  /** Called before each pack and each slice. @throws LeaseLost */
  readonly checkFence: () => Promise<void>;
  /** Watches the member while it is read; without: collections are read as fast as they come. */
  readonly brake?: LoadBrake;
  /** Where it is written down how far the base has come, and looked how far an earlier attempt came. Without: nowhere. */
  readonly checkpoints?: CheckpointPlace;
}

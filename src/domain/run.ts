import * as z from 'zod';
import { memberVerdictSchema, methodSchema } from './manifest.ts';
import { codecSchema } from './backup-index.ts';
import { compressionRequestSchema } from './compression.ts';
import { lockPlanSchema } from './object-lock.ts';
import { timestampSchema } from './timestamp.ts';
import { volumeRequestSchema } from './volume-target.ts';
import { isWantedTime } from './wanted-time.ts';

/** Documents of a run's folder in the state storage. */

export const runIdPattern = /^[A-Za-z0-9][A-Za-z0-9_-]{0,79}$/;

/** The console's own first input is a Comment. */
const consoleComment = { Comment: z.unknown().optional() };

/** Says what to write to somebody who wrote an input by hand: the error map of a strict object. */
export function teach(known: readonly string[], example: object): z.core.$ZodErrorMap {
  return (issue) => {
    if (issue.code === 'unrecognized_keys') {
      const unknown = issue.keys.map((key) => JSON.stringify(key)).join(', ');
      return `there is no ${unknown}; there is ${known.join(', ')}. Write for example ${JSON.stringify(example)}`;
    }
    if (issue.code === 'invalid_type') return `expected an object, for example ${JSON.stringify(example)}`;
    return undefined;
  };
}

const backupRequestShape = {
  deployment: z.string().optional(),
  method: methodSchema.optional(),
  storage: z.string().optional(),
  compression: compressionRequestSchema.optional(),
  labels: z.record(z.string(), z.string()).optional(),
  requestedBy: z.string().optional(),
  idempotencyKey: z.string().optional(),
};

/** What a backup was asked for; `{}` is enough where one deployment is configured. Unknown keys are refused. */
export const backupRequestSchema = z.strictObject(
  { ...backupRequestShape, ...consoleComment },
  { error: teach(Object.keys(backupRequestShape), { deployment: 'orders' }) },
);
export type BackupRequest = z.infer<typeof backupRequestSchema>;

const secretOption = /[?&;][^=&;]*(password|secret|token|mechanismproperties)[^=&;]*=/i;

const restoreRequestShape = {
  /** A backup id, or a deployment's name: for its newest backup, or with a time for the base that serves it. */
  backup: z.string(),
  /** `2026-11-22T10:15:30Z`, `1763806530:4` or `latest` (wanted-time.ts); left out: the backup's own restore time. */
  at: z
    .string()
    .refine(isWantedTime, {
      error: 'a time: 2026-11-22T10:15:30Z, 1763806530:4 or latest',
    })
    .optional(),
  /** To right before this collection was dropped, the last time that it was; with `at`: the last time up to then. */
  beforeDrop: z
    .string()
    .regex(/^[^.$\0]+\.[^$\0]+$/, 'expected database.collection')
    .optional(),
  storage: z.string().optional(),
  /** Only these: `db.coll`, `db.*`, by their names at the restore time (namespace-selection.ts); left out: everything. */
  namespaces: z.array(z.string()).min(1).max(1000).optional(),
  /** Under other names: `a.x` to `b.y`, `a.*` to `b.*`. */
  renames: z
    .array(z.strictObject({ from: z.string(), to: z.string() }))
    .min(1)
    .max(1000)
    .optional(),
  /** Whose backup it must be; a backup of another deployment is refused. Any, when left out. */
  deployment: z.string().optional(),
  /**
   * MongoDB URI without credentials: requests are written down. Or the absolute path of a directory, or `volume`
   * (restore-place.ts).
   */
  to: z.string().refine((uri) => !/:\/\/[^?]*@/.test(uri) && !secretOption.test(uri), {
    error:
      'a URI without user and password, and without an option that holds a secret: name their source by credentials',
  }),
  credentials: z
    .union([z.strictObject({ env: z.string() }), z.strictObject({ file: z.string() }), z.string()])
    .optional(),
  /** Everyone, or only users and roles of the databases that are named. */
  users: z.union([z.boolean(), z.array(z.string().min(1).max(63)).min(1).max(1000)]).optional(),
  keepExpired: z.boolean().optional(),
  /** The target's name, typed: the replica set's name, or host:port of a standalone. */
  overwrite: z.string().optional(),
  parallel: z.int().min(1).max(64).optional(),
  /** Of the volume that is made: where `to` is `volume`, and where files go to a server by way of one. */
  volume: volumeRequestSchema.optional(),
  /** Checks everything and says what would be done, how long it takes and what it costs; nothing is restored. */
  dryRun: z.boolean().optional(),
  requestedBy: z.string().optional(),
};

export const restoreRequestSchema = z.strictObject(
  { ...restoreRequestShape, ...consoleComment },
  { error: teach(Object.keys(restoreRequestShape), { backup: 'orders', to: 'mongodb://restored-1.internal:27017/' }) },
);
export type RestoreRequest = z.infer<typeof restoreRequestSchema>;

/** What ECS can mount of a volume. */
export const volumeFilesystemSchema = z.enum(['xfs', 'ext4', 'ext3']);
export type VolumeFilesystem = z.infer<typeof volumeFilesystemSchema>;

/** The volume under a member's data, as it was found when the run was planned. */
export const plannedVolumeSchema = z.strictObject({
  type: z.enum(['directory', 'ebs']),
  /** The path of the data directory, or vol-…; several are snapshotted at once. */
  volumes: z.array(z.string()).min(1),
  /** EC2's instance that they are attached to; null for a directory. */
  instance: z.string().nullable(),
  filesystem: z.string().nullable(),
  /** The data directory within the volume; empty for its root. */
  dataPath: z.string(),
  /** Why no worker can mount what a snapshot of it would be; left out when one can, as far as anybody can tell. */
  unmountable: z.string().optional(),
  /** Why nobody can tell that the data is on it; left out where it is proven, or somebody names it. */
  unproven: z.string().optional(),
  /** What EC2 says of EBS volumes beside that. */
  attached: z
    .strictObject({
      /** Their names at the instance. */
      devices: z.array(z.string()),
      /** What else is attached to it and may hold data too. */
      others: z.array(z.string()),
      /** Of one volume alone: the ARN of the key that it is encrypted with; left out for none. */
      key: z.string().optional(),
      /** Of the instance. */
      account: z.string().optional(),
      /** Of what neither the config nor a tag names as this member's: all of their bytes, and whether the instance has disks of its own. */
      guess: z.strictObject({ bytes: z.int(), instanceStore: z.boolean() }).optional(),
    })
    .optional(),
  /** Whether a snapshot takes everything at one instant, as a power failure would leave it; else nobody may write meanwhile. */
  atOnce: z.boolean(),
  /** Why, or how it was found: for people. */
  reason: z.string(),
});
export type PlannedVolume = z.infer<typeof plannedVolumeSchema>;

export const planPartSchema = z.strictObject({
  name: z.string(),
  method: methodSchema,
  member: z.string(),
  memberReason: z.string(),
  memberVerdicts: z.array(memberVerdictSchema),
  warnings: z.array(z.string()),
  /** Null for a logical base. */
  volume: plannedVolumeSchema.nullable().default(null),
  /** Whether the member is locked while its snapshot is taken. */
  lock: z.boolean().default(false),
});
export const backupPlanSchema = z.strictObject({
  schemaVersion: z.literal(1),
  kind: z.literal('backup'),
  runId: z.string(),
  backupId: z.string(),
  deployment: z.string(),
  method: methodSchema,
  methodReason: z.string(),
  storage: z.string(),
  createdAt: z.iso.datetime(),
  codec: codecSchema,
  /** 0 where the codec has none. */
  level: z.int(),
  parallel: z.int(),
  requestedBy: z.string(),
  labels: z.record(z.string(), z.string()),
  objectLock: lockPlanSchema.optional(),
  /** Seconds that the capture loop waits: the first time, and then between these bounds (consistency rule 3). */
  captureWait: z.strictObject({ first: z.int().min(1), least: z.int().min(1), most: z.int().min(1) }),
  parts: z.array(planPartSchema).min(1),
});
export type BackupPlan = z.infer<typeof backupPlanSchema>;

/** How a run ended: `runs/<run>/outcome.json`, created once by exactly one of complete, failure, cancel and sweep (consistency rule 23). */
export const outcomeSchema = z.strictObject({
  schemaVersion: z.literal(1),
  status: z.enum(['completed', 'failed', 'cancelled']),
  decidedBy: z.enum(['complete', 'failure', 'sweep']),
  at: z.iso.datetime(),
  error: z.strictObject({ name: z.string(), code: z.string(), message: z.string(), next: z.string() }).nullable(),
});
export type Outcome = z.infer<typeof outcomeSchema>;

/** `{owner, run, acquiredAt, fence, released?}`; the fence outdates every earlier holder. */
export const leaseSchema = z.strictObject({
  schemaVersion: z.literal(1),
  owner: z.string(),
  run: z.string(),
  acquiredAt: z.iso.datetime(),
  fence: z.int().min(1),
  released: z.boolean().optional(),
});
export type Lease = z.infer<typeof leaseSchema>;

/** What `holdfast status` shows: written by the worker every second, on Fargate every ten. */
export const progressSchema = z.strictObject({
  schemaVersion: z.literal(1),
  part: z.string(),
  /** dump, capture, verify, load, replay, indexes, users, … */
  phase: z.string(),
  documents: z.int(),
  rawBytes: z.int(),
  storedBytes: z.int(),
  /** Expected raw bytes; null while unknown. */
  totalBytes: z.int().nullable(),
  bytesPerSecond: z.number(),
  etaSeconds: z.number().nullable(),
  /** What holds the work back, for people: `slowed down: replication lag 31 s (limit 20 s)`. Left out for nothing. */
  brake: z.string().optional(),
  updatedAt: z.iso.datetime(),
});
export type Progress = z.infer<typeof progressSchema>;

export const restoreTimeSchema = z.strictObject({
  schemaVersion: z.literal(1),
  restoreTime: timestampSchema,
  /** By the clock of the machine that chose it. */
  fixedAt: z.iso.datetime().optional(),
});

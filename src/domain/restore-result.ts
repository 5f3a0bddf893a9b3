import * as z from 'zod';
import { timestampSchema } from './timestamp.ts';

/** What a restore of one part did: `runs/<run>/restored/<part>.json`. It exists only when the target was verified. */
export const restoreResultSchema = z.strictObject({
  schemaVersion: z.literal(1),
  part: z.string(),
  /** What the target calls itself: replica set name, or host:port; of a directory its path. */
  target: z.string(),
  /** Null for a standalone's snapshot, which is of its own time. */
  restoreTime: timestampSchema.nullable(),
  collections: z.int(),
  documents: z.int(),
  rawBytes: z.int(),
  indexes: z.int(),
  /** Entries up to the restore time; of their operations, how many changed the target and how many had nothing to do. */
  oplog: z.strictObject({ entries: z.int(), applied: z.int(), skipped: z.int() }),
  /** Null when users and roles were not asked for. */
  usersAndRoles: z.strictObject({ users: z.int(), roles: z.int() }).nullable(),
  /** Whether collections kept the source's UUIDs. */
  uuidsKept: z.boolean(),
  /** Whether documents that had expired by their TTL were kept, with TTL off. */
  keepExpired: z.boolean(),
  /** By phase: check, load, replay, indexes, users, verify. */
  seconds: z.record(z.string(), z.number()),
  warnings: z.array(z.string()),
  /** How the files on a volume are to be started: what its steps are written with once its id is known. */
  files: z
    .strictObject({
      serverVersion: z.string(),
      kind: z.enum(['standalone', 'replicaSet', 'sharded']),
      /** Options of mongod that they want. */
      layout: z.array(z.string()),
    })
    .optional(),
  /** Of the worker that restored to a volume of its own: it is found by it. */
  attempt: z.int().min(1).optional(),
  /** The volume, once it is found. */
  volume: z.strictObject({ id: z.string(), zone: z.string() }).optional(),
  /** What remains to be done by whoever takes the target over, in order; only of a directory. */
  steps: z.array(z.string()).optional(),
});
export type RestoreResult = z.infer<typeof restoreResultSchema>;

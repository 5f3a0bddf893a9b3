import * as z from 'zod';
import { dataPlaceSchema } from './data-place.ts';
import { opTimeSchema, timestampSchema } from './timestamp.ts';

/** One mongod of a replica set, as its own `hello`, replSetGetConfig and replSetGetStatus describe it. */
export const memberSchema = z.strictObject({
  /** host:port as in the replica set config. */
  host: z.string(),
  /** replSetGetStatus stateStr (PRIMARY, SECONDARY, RECOVERING, …), or UNREACHABLE when this machine can't connect. */
  state: z.string(),
  healthy: z.boolean(),
  hidden: z.boolean(),
  arbiter: z.boolean(),
  buildIndexes: z.boolean(),
  priority: z.number(),
  votes: z.int(),
  delaySeconds: z.number(),
  tags: z.record(z.string(), z.string()),
  /** The optime up to which the member has applied; null when unknown. */
  optime: opTimeSchema.nullable(),
  /** Seconds behind the primary; null when unknown. */
  lagSeconds: z.number().nullable(),
  /** Seconds between the first and the last entry of its oplog; null when unknown. */
  oplogWindowSeconds: z.number().nullable(),
  /**
   * How much of the oplog's size limit is used, 0 to 1: a young oplog has a short window and is not about to lose it.
   * Left out when unknown.
   */
  oplogUsedFraction: z.number().min(0).max(1).optional(),
  /** The member that it copies the oplog from, as the set sees it; left out for none, and when unknown. */
  syncSource: z.string().optional(),
  /** Where its data lies, as it says; left out where nobody asks: of deployments without EBS volumes. */
  dataPlace: dataPlaceSchema.optional(),
  /** Why this machine could not connect to it; null when it could. */
  unreachable: z.string().nullable(),
});
export type Member = z.infer<typeof memberSchema>;

export const partRoleSchema = z.enum(['standalone', 'replicaSet', 'shard', 'configServer']);

/** One replica set of the deployment, or its standalone. */
export const topologyPartSchema = z.strictObject({
  /** Name of the part in keys and manifests: the replica set's name, or `standalone`. */
  name: z.string(),
  role: partRoleSchema,
  replicaSet: z.string().nullable(),
  /** settings.replicaSetId of the config, 24 hex digits. */
  replicaSetId: z.string().nullable(),
  term: z.int().nullable(),
  configVersion: z.int().nullable(),
  majorityVoteCount: z.int().nullable(),
  writeMajorityCount: z.int().nullable(),
  majorityOpTime: opTimeSchema.nullable(),
  members: z.array(memberSchema),
});
export type TopologyPart = z.infer<typeof topologyPartSchema>;

export const topologySchema = z.strictObject({
  schemaVersion: z.literal(1),
  kind: z.enum(['standalone', 'replicaSet', 'sharded']),
  serverVersion: z.string(),
  featureCompatibilityVersion: z.string(),
  parts: z.array(topologyPartSchema),
  clusterTime: timestampSchema.nullable(),
});
export type Topology = z.infer<typeof topologySchema>;

import * as z from 'zod';
import { compressionSchema } from './compression.ts';
import { ebsSettingsSchema } from './ebs-settings.ts';
import { HoldfastError } from './errors.ts';
import { methodSchema } from './manifest.ts';
import { deploymentNamePattern } from './names.ts';
import { objectLockModeSchema } from './object-lock.ts';
import { releaseSeries, supportedServerVersions } from './server-version.ts';

/** What the config file says of one deployment and one storage, after defaults. The file's schema is src/config/. */

/** Where credentials come from; never the credentials. On AWS a Secrets Manager ARN, embedded an environment variable or a file. */
export const credentialsSourceSchema = z.union([
  z.strictObject({ env: z.string().min(1) }),
  z.strictObject({ file: z.string().min(1) }),
  z.string().regex(/^arn:[\w-]+:secretsmanager:/, 'expected a Secrets Manager ARN'),
]);
export type CredentialsSource = z.infer<typeof credentialsSourceSchema>;

export const memberPreferencesSchema = z.strictObject({
  prefer: z.enum(['hidden', 'secondary']).default('hidden'),
  host: z.string().optional(),
  /** `key=value` of the replica set config's tags. */
  tag: z
    .string()
    .regex(/^[^=]+=.*$/, 'expected key=value')
    .optional(),
  allowSecondary: z.boolean().default(true),
  allowPrimary: z.boolean().default(false),
  maxLagSeconds: z.number().positive().default(20),
});
export type MemberPreferences = z.infer<typeof memberPreferencesSchema>;

/** When a deployment is backed up by itself, on AWS. */
export const scheduleSchema = z.strictObject({
  /** Six fields of EventBridge Scheduler: minutes hours day-of-month month day-of-week year. */
  cron: z.string(),
  /** IANA name. */
  timezone: z.string().default('UTC'),
  method: methodSchema.optional(),
  storage: z.string().optional(),
});

/** The keys of `oplogArchive`, but its storage. */
export const oplogArchiveOptions = {
  enabled: z.boolean().meta({ description: 'false keeps what is archived, and archives nothing more.' }),
  retention: z
    .strictObject({ days: z.int().min(1).max(3650).meta({ description: 'How long slices are kept.' }) })
    .default({ days: 8 })
    .meta({ description: 'What may be removed from the archive.' }),
  newBaseOnGap: z.boolean().default(true).meta({
    description: 'A hole in the archive starts a backup, from which restores can reach any moment again.',
  }),
  verify: z.enum(['all', 'sample']).default('all').meta({
    description: 'Which slices are read back once they are written: all of them, or one of ten.',
  }),
} as const;

export const oplogArchiveSchema = z.strictObject({ ...oplogArchiveOptions, storage: z.string() });
export type OplogArchiveSettings = z.infer<typeof oplogArchiveSchema>;

/** Release series in which restores are proved (server-version.ts), and a patch: the build that goes into the worker's image. */
export const mongodbVersionSchema = z
  .string()
  .regex(/^\d+\.\d+\.\d+$/, 'expected a full version such as 6.0.5')
  .refine((version) => supportedServerVersions.includes(releaseSeries(version)), {
    error: `expected a version of ${supportedServerVersions.join(', ')}`,
  });

/** How long backups must be kept: a lock's length. Nothing is deleted when it is over, in this release. */
export const retentionSchema = z.strictObject({
  days: z.int().min(1).max(36_500).meta({ description: 'Days for which nobody can delete a backup.' }),
});

export const deploymentSettingsSchema = z.strictObject({
  name: z.string().regex(deploymentNamePattern),
  /** Without credentials. */
  uri: z.string(),
  credentials: credentialsSourceSchema.optional(),
  restoreCredentials: credentialsSourceSchema.optional(),
  method: methodSchema.optional(),
  storage: z.string(),
  /** Of the mongod that starts on copied files: what the deployment runs, or a later one of its release series. */
  mongodbVersion: mongodbVersionSchema.optional(),
  /** `ca` is the PEM text: the file is read when the config is loaded. */
  tls: z.strictObject({ ca: z.string().optional() }).optional(),
  member: memberPreferencesSchema,
  compression: compressionSchema,
  /** Where each member's data lies, by `host:port`: the path of its data directory on this machine, or vol-… on AWS. */
  volumes: z.record(z.string(), z.union([z.string(), z.array(z.string()).min(1)])).optional(),
  /** How volumes are found that are not named, and how the data lies on them; on AWS. */
  ebs: ebsSettingsSchema.optional(),
  /** Whether members may be locked against writes while their volumes are snapshotted. */
  lock: z.boolean().optional(),
  limits: z.strictObject({
    parallel: z.int().min(1).max(64),
    /** Bytes per second that are read from a member; left out for no limit. */
    bandwidth: z.int().positive().optional(),
  }),
  schedules: z.record(z.string(), scheduleSchema).optional(),
  retention: retentionSchema.optional(),
  oplogArchive: oplogArchiveSchema.optional(),
});
export type DeploymentSettings = z.infer<typeof deploymentSettingsSchema>;

/** `kmsKey` of a storage whose bucket gets a key of its own from the stack. */
export const createdKey = 'create';

export const storageSettingsSchema = z.discriminatedUnion('type', [
  z.strictObject({ name: z.string(), type: z.literal('directory'), path: z.string() }),
  z.strictObject({
    name: z.string(),
    type: z.literal('s3'),
    /** Left out: the bucket that the stack makes, on AWS. */
    bucket: z.string().optional(),
    /** Empty, or ends with "/". */
    prefix: z.string(),
    /** Left out beside `bucket`: the stage's. */
    region: z.string().optional(),
    endpoint: z.string().optional(),
    forcePathStyle: z.boolean(),
    /** The PEM text of `caFile`. */
    ca: z.string().optional(),
    credentials: credentialsSourceSchema.optional(),
    kmsKey: z.string().optional(),
    /** The objects of a complete backup are locked for the deployment's `retention`. */
    objectLock: objectLockModeSchema.optional(),
  }),
]);
export type StorageSettings = z.infer<typeof storageSettingsSchema>;
export type S3StorageSettings = Extract<StorageSettings, { type: 's3' }>;

/** Where a storage is, for people: `directory /backups`, `s3://bucket/prefix/ at https://minio:9000`. */
export function storagePlace(storage: StorageSettings): string {
  if (storage.type === 'directory') return `directory ${storage.path}`;
  const { bucket, prefix, endpoint } = storage;
  return `s3://${bucket ?? '(made by the stack)'}/${prefix}${endpoint === undefined ? '' : ` at ${endpoint}`}`;
}

/** The URI of an object of a storage: `s3://bucket/prefix/key`, `https://minio:9000/bucket/prefix/key`, `file:///backups/key`. */
export function objectUri(storage: StorageSettings, key: string): string {
  if (storage.type === 'directory') return encodeURI(`file://${storage.path}/${key}`);
  const { bucket = '', prefix, endpoint } = storage;
  const place = `${bucket}/${prefix}${key}`;
  return endpoint === undefined ? `s3://${place}` : `${endpoint.replace(/\/$/, '')}/${place}`;
}

const ids = (prefix: string) =>
  z
    .array(z.string().regex(new RegExp(`^${prefix}-[0-9a-f]+$`), `expected an id like ${prefix}-0123456789abcdef0`))
    .min(1);

/** Where functions and workers reach MongoDB from, on AWS. */
export const networkSchema = z.strictObject({
  vpcId: z.string().regex(/^vpc-[0-9a-f]+$/, 'expected an id like vpc-0123456789abcdef0'),
  availabilityZones: z.array(z.string().min(1)).min(1),
  privateSubnetIds: ids('subnet'),
  privateSubnetRouteTableIds: ids('rtb').optional(),
  securityGroupIds: ids('sg'),
  createEndpoints: z.boolean().optional(),
});
export type NetworkSettings = z.infer<typeof networkSchema>;

/** The whole config after loading: what a run copies to its folder. Holds no secret. */
export const settingsSchema = z.strictObject({
  schemaVersion: z.literal(1),
  stage: z.string().regex(/^[a-z][a-z0-9-]{0,15}$/),
  stateDir: z.string(),
  storages: z.record(z.string(), storageSettingsSchema),
  deployments: z.record(z.string(), deploymentSettingsSchema),
  network: networkSchema.optional(),
});
export type Settings = z.infer<typeof settingsSchema>;

/** @throws UnknownDeployment */
export function configuredDeployment({ deployments }: Settings, name: string): DeploymentSettings {
  const found = Object.hasOwn(deployments, name) ? deployments[name] : undefined;
  if (found !== undefined) return found;
  throw new HoldfastError('UnknownDeployment', 'no deployment of that name is configured', {
    details: { where: 'deployments of the config file', given: name },
    next: `Use one of: ${Object.keys(deployments).join(', ')}.`,
  });
}

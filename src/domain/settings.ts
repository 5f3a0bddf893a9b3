import { z } from 'zod';
import { compressionSchema } from './compression.ts';
import { methodSchema } from './manifest.ts';
import { deploymentNamePattern } from './names.ts';

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

export const deploymentSettingsSchema = z.strictObject({
  name: z.string().regex(deploymentNamePattern),
  /** Without credentials. */
  uri: z.string(),
  credentials: credentialsSourceSchema.optional(),
  restoreCredentials: credentialsSourceSchema.optional(),
  method: methodSchema.optional(),
  storage: z.string(),
  /** `ca` is the PEM text: the file is read when the config is loaded. */
  tls: z.strictObject({ ca: z.string().optional() }).optional(),
  member: memberPreferencesSchema,
  compression: compressionSchema,
  limits: z.strictObject({
    parallel: z.int().min(1).max(64),
    /** Bytes per second that are read from a member; left out for no limit. */
    bandwidth: z.int().positive().optional(),
  }),
});
export type DeploymentSettings = z.infer<typeof deploymentSettingsSchema>;

export const storageSettingsSchema = z.discriminatedUnion('type', [
  z.strictObject({ name: z.string(), type: z.literal('directory'), path: z.string() }),
  z.strictObject({
    name: z.string(),
    type: z.literal('s3'),
    bucket: z.string(),
    /** Empty, or ends with "/". */
    prefix: z.string(),
    region: z.string(),
    endpoint: z.string().optional(),
    forcePathStyle: z.boolean(),
    /** The PEM text of `caFile`. */
    ca: z.string().optional(),
    credentials: credentialsSourceSchema.optional(),
    kmsKey: z.string().optional(),
  }),
]);
export type StorageSettings = z.infer<typeof storageSettingsSchema>;
export type S3StorageSettings = Extract<StorageSettings, { type: 's3' }>;

/** Where a storage is, for people: `directory /backups`, `s3://bucket/prefix/ at https://minio:9000`. */
export function storagePlace(storage: StorageSettings): string {
  if (storage.type === 'directory') return `directory ${storage.path}`;
  const { bucket, prefix, endpoint } = storage;
  return `s3://${bucket}/${prefix}${endpoint === undefined ? '' : ` at ${endpoint}`}`;
}

/** The whole config after loading: what a run copies to its folder. Holds no secret. */
export const settingsSchema = z.strictObject({
  schemaVersion: z.literal(1),
  stage: z.string().regex(/^[a-z][a-z0-9-]{0,15}$/),
  stateDir: z.string(),
  storages: z.record(z.string(), storageSettingsSchema),
  deployments: z.record(z.string(), deploymentSettingsSchema),
});
export type Settings = z.infer<typeof settingsSchema>;

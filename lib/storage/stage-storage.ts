import * as cdk from 'aws-cdk-lib';
import * as kms from 'aws-cdk-lib/aws-kms';
import * as s3 from 'aws-cdk-lib/aws-s3';
import { Construct } from 'constructs';
import { artifactKeys } from '../../src/domain/names.ts';
import { createdKey, type Settings, type StorageSettings } from '../../src/domain/settings.ts';
import { secretArn } from '../secret-arn.ts';
import { PrivateBucket } from './private-bucket.ts';

type S3Settings = Extract<StorageSettings, { type: 's3' }>;

/** A storage for artifacts, as policies need it. */
export interface ArtifactStorage {
  readonly name: string;
  /** Of AWS S3; undefined for a server with an address and an access key of its own. */
  readonly bucketArn: string | undefined;
  readonly prefix: string;
  /** Secrets Manager ARN of the access key of such a server. */
  readonly credentials: string | undefined;
  /** ARN of the key that its objects are encrypted with, when it isn't the stage's. */
  readonly kmsKeyArn: string | undefined;
  /** The objects of its backups are locked. */
  readonly locks: boolean;
}

export interface StageStorageProps {
  readonly settings: Settings;
  readonly key: kms.IKey;
}

/** The stage's state bucket, and a bucket for every storage that names none. */
export class StageStorage extends Construct {
  readonly stateBucket: s3.Bucket;
  readonly artifacts: readonly ArtifactStorage[];
  /** `name=bucket` of the storages whose bucket is the stack's: what the published config leaves open. */
  readonly madeBuckets: string;

  constructor(scope: Construct, id: string, { settings, key }: StageStorageProps) {
    super(scope, id);
    const accessLogs = this.#makeAccessLogs();
    this.stateBucket = new PrivateBucket(this, 'State', { key, accessLogs, objectLock: false }).bucket;
    const made: string[] = [];
    this.artifacts = s3Storages(settings).map((storage) => {
      const { name, prefix, credentials, kmsKey: kmsKeyArn, objectLock } = storage;
      const shared = {
        name,
        prefix,
        credentials: secretArn(`storages.${name}.credentials`, credentials),
        kmsKeyArn,
        locks: objectLock !== undefined,
      };
      if (storage.endpoint !== undefined) return { ...shared, bucketArn: undefined };
      if (storage.bucket !== undefined) return { ...shared, bucketArn: bucketArnOf(this, storage.bucket) };
      const own = kmsKeyArn === createdKey ? this.#makeKey(settings.stage, name) : undefined;
      const { bucket } = new PrivateBucket(this, `Artifacts-${name}`, {
        key: own ?? key,
        accessLogs,
        objectLock: true,
        passing: `${prefix}${artifactKeys.allCollections()}`,
      });
      made.push(`${name}=${bucket.bucketName}`);
      new cdk.CfnOutput(this, `Bucket-${name}`, { value: bucket.bucketName });
      return { ...shared, bucketArn: bucket.bucketArn, ...(own && { kmsKeyArn: own.keyArn }) };
    });
    this.madeBuckets = made.join(',');
  }

  /** It stays when the stack goes, like the bucket: without it no backup can be read. */
  #makeKey(stage: string, name: string): kms.Key {
    return new kms.Key(this, `Key-${name}`, {
      alias: `holdfast-${stage}-${name}`,
      description: `Holdfast ${stage}: backups in the storage ${name}`,
      enableKeyRotation: true,
      removalPolicy: cdk.RemovalPolicy.RETAIN,
    });
  }

  #makeAccessLogs(): s3.Bucket {
    const bucket = new s3.Bucket(this, 'AccessLogs', {
      // Log delivery can't use a customer's key.
      encryption: s3.BucketEncryption.S3_MANAGED,
      blockPublicAccess: s3.BlockPublicAccess.BLOCK_ALL,
      objectOwnership: s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
      enforceSSL: true,
      removalPolicy: cdk.RemovalPolicy.RETAIN,
      lifecycleRules: [{ id: 'old-logs', expiration: cdk.Duration.days(400) }],
    });
    cdk.Validations.of(bucket).acknowledge({
      id: 'AwsSolutions-S1',
      reason: 'The bucket that holds the access logs has none of its own: they would log themselves.',
    });
    return bucket;
  }
}

function bucketArnOf(scope: Construct, bucket: string): string {
  return cdk.Stack.of(scope).formatArn({ service: 's3', region: '', account: '', resource: bucket });
}

/** @throws at synth for a storage that functions and tasks can't reach */
function s3Storages(settings: Settings): S3Settings[] {
  return Object.values(settings.storages).map((storage) => {
    if (storage.type === 's3') return storage;
    // eslint-disable-next-line no-restricted-syntax -- a fault of the synthesis, which ends with its message
    throw new Error(`storages.${storage.name}: a ${storage.type} can't be reached from AWS. Use type: s3.`);
  });
}

import * as cdk from 'aws-cdk-lib';
import type * as kms from 'aws-cdk-lib/aws-kms';
import * as s3 from 'aws-cdk-lib/aws-s3';
import { Construct } from 'constructs';
import { oldVersionDays } from '../../src/domain/stage-sizes.ts';

export interface PrivateBucketProps {
  readonly key: kms.IKey;
  /** Lets objects be locked one by one. Never a default for the bucket: it would lock what must be deleted. */
  readonly objectLock: boolean;
  /** Of a bucket for artifacts: where collections lie that only a restore in progress needs. */
  readonly passing?: string;
  /** Where its access log goes. */
  readonly accessLogs: s3.Bucket;
}

/** Days that an upload may lie unfinished, or what only a running task needs: the longest task is two days. */
const uploadDays = 7;

/** A bucket that nobody reads without TLS and the key, and that stays when the stack goes: it may hold the only copy. */
export class PrivateBucket extends Construct {
  readonly bucket: s3.Bucket;

  constructor(scope: Construct, id: string, props: PrivateBucketProps) {
    super(scope, id);
    this.bucket = new s3.Bucket(this, 'Bucket', {
      encryption: s3.BucketEncryption.KMS,
      encryptionKey: props.key,
      bucketKeyEnabled: true,
      blockPublicAccess: s3.BlockPublicAccess.BLOCK_ALL,
      objectOwnership: s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
      enforceSSL: true,
      minimumTLSVersion: 1.2,
      versioned: true,
      objectLockEnabled: props.objectLock,
      removalPolicy: cdk.RemovalPolicy.RETAIN,
      // CDK's own declarations don't know exactOptionalPropertyTypes: a Bucket is an IBucket.
      serverAccessLogsBucket: props.accessLogs as s3.IBucket,
      serverAccessLogsPrefix: `${id}/`,
      lifecycleRules: [
        {
          id: 'unfinished-uploads-and-old-versions',
          abortIncompleteMultipartUploadAfter: cdk.Duration.days(uploadDays),
          noncurrentVersionExpiration: cdk.Duration.days(oldVersionDays),
          expiredObjectDeleteMarker: true,
        },
        ...(props.passing === undefined ? [] : [passingRule(props.passing)]),
      ],
    });
  }
}

/** What its run has not deleted goes by itself, and what it has deleted is not kept to be noticed: nobody will miss it. */
function passingRule(prefix: string): s3.LifecycleRule {
  return {
    id: 'collections-of-restores',
    prefix,
    expiration: cdk.Duration.days(uploadDays),
    noncurrentVersionExpiration: cdk.Duration.days(1),
  };
}

import type * as iam from 'aws-cdk-lib/aws-iam';
import type * as kms from 'aws-cdk-lib/aws-kms';
import type * as s3 from 'aws-cdk-lib/aws-s3';
import { artifactKeys } from '../../src/domain/names.ts';
import type { DeploymentSettings, Settings } from '../../src/domain/settings.ts';
import { grant, type Permission } from '../grant.ts';
import { secretArn } from '../secret-arn.ts';
import type { ArtifactStorage } from '../storage/stage-storage.ts';

/** Folders of the state bucket (src/domain/names.ts). */
export type StateFolder = 'runs' | 'leases' | 'requests' | 'archives' | 'holds' | 'locks';

export interface StagePermissionsProps {
  readonly settings: Settings;
  readonly key: kms.IKey;
  readonly stateBucket: s3.Bucket;
  readonly artifacts: readonly ArtifactStorage[];
}

const anyRun = 'Every run has a folder of its own; the function works for all of them.';
const useKeyActions = ['kms:Decrypt', 'kms:GenerateDataKey'];
const useKeyPurpose = 'S3 decrypts and encrypts with the key what the role reads and writes';
const anyBackup = 'Every backup has a folder of its own, below the storage’s prefix.';

const list = {
  actions: ['s3:ListBucket'],
  purpose: 'Lists a storage, and tells an object that is not there from one that may not be read',
};
const findUnfinished = {
  actions: ['s3:ListBucketMultipartUploads'],
  purpose: 'Finds what was written in parts and never finished',
};

/** What roles of a stage may be allowed, in the product's words. Each method is one row of docs/operator-guide/permissions.md. */
export class StagePermissions {
  readonly #props: StagePermissionsProps;

  constructor(props: StagePermissionsProps) {
    this.#props = props;
  }

  /** Listing tells "not there" from "not allowed". */
  readState(role: iam.Role, folders: readonly StateFolder[]): void {
    const { stateBucket } = this.#props;
    grant(role, {
      actions: ['s3:ListBucket'],
      resources: [stateBucket.bucketArn],
      purpose: 'Lists the state, and tells a document that is not there from one that may not be read',
    });
    grant(role, {
      actions: ['s3:GetObject'],
      resources: this.#state(folders),
      purpose: 'Reads documents of the state',
      because: anyRun,
    });
    this.useKey(role);
  }

  writeState(role: iam.Role, folders: readonly StateFolder[]): void {
    grant(role, {
      actions: ['s3:PutObject'],
      resources: this.#state(folders),
      purpose: 'Writes documents of the state',
      because: anyRun,
    });
  }

  /** The request to stop, of any run, and nothing else of it. */
  requestCancel(role: iam.Role): void {
    const resources = [this.#props.stateBucket.arnForObjects('runs/*/cancel')];
    grant(role, { actions: ['s3:PutObject'], resources, purpose: 'Asks a run to stop', because: anyRun });
  }

  /** Checkpoints of a dump, which a run that is over needs no more. */
  deleteCheckpoints(role: iam.Role): void {
    const resources = [this.#props.stateBucket.arnForObjects('runs/*/checkpoints/*')];
    grant(role, {
      actions: ['s3:DeleteObject'],
      resources,
      purpose: 'Deletes the checkpoints of a dump that is over',
      because: anyRun,
    });
  }

  /** What is written down of locks on members: before one is taken, until it is given back. */
  keepLocks(role: iam.Role): void {
    grant(role, {
      actions: ['s3:GetObject', 's3:PutObject', 's3:DeleteObject'],
      resources: this.#state(['locks']),
      purpose: 'Writes down which member is locked, and that it is no more',
      because: 'Every member has a record of its own.',
    });
  }

  /** Finds what is written down of locks, and strikes out what was given back. */
  clearLocks(role: iam.Role): void {
    grant(role, {
      actions: ['s3:GetObject', 's3:DeleteObject'],
      resources: this.#state(['locks']),
      purpose: 'Finds locks that were left on members, and strikes out those that were given back',
      because: 'Every member has a record of its own.',
    });
  }

  /** Holds what a restore reads, and sees what is being pruned. */
  holdArtifacts(role: iam.Role): void {
    const { stateBucket } = this.#props;
    const resources = [stateBucket.arnForObjects('holds/*')];
    const purpose = 'Holds what a restore reads, and sees what is being pruned';
    grant(role, { actions: ['s3:PutObject', 's3:GetObject'], resources, purpose, because: anyRun });
  }

  releaseHolds(role: iam.Role): void {
    const resources = [this.#props.stateBucket.arnForObjects('holds/*')];
    const purpose = 'Lets go what a run that is over has held';
    grant(role, { actions: ['s3:DeleteObject'], resources, purpose, because: anyRun });
  }

  readArtifacts(role: iam.Role): void {
    this.#allowOnBuckets(role, list);
    this.#allowBelow(role, { actions: ['s3:GetObject'], below: ['*'], purpose: 'Reads backups' });
    this.useKey(role);
    this.#useStorageKeys(role);
  }

  /**
   * Lets large objects be written, part by part. Never lets anything be deleted.
   * @param below which keys, as a pattern below the storage's prefix
   */
  writeArtifacts(role: iam.Role, below: string): void {
    this.#allowBelow(role, {
      actions: ['s3:PutObject', 's3:AbortMultipartUpload', 's3:ListMultipartUploadParts'],
      below: [below],
      purpose: 'Writes objects of a backup, part by part',
    });
  }

  /** Records of gaps in the oplog archives. */
  writeGaps(role: iam.Role): void {
    this.#allowBelow(role, {
      actions: ['s3:PutObject'],
      below: this.#archives('*/gaps/*'),
      purpose: 'Records what is missing in an oplog archive',
    });
  }

  /** What was seen of slices: derived from them, and believed only where they are as they were. */
  writeSliceIndexes(role: iam.Role): void {
    this.#allowBelow(role, {
      actions: ['s3:PutObject'],
      below: this.#archives('index/*'),
      purpose: 'Writes what it has seen of slices, so that a window need not read them',
    });
  }

  /** Slices of oplog archives, none of backups; the tombstone stops who would read them. */
  pruneSlices(role: iam.Role): void {
    this.#allowBelow(role, {
      actions: ['s3:DeleteObject'],
      below: [...this.#archives('*.bson.zst'), ...this.#archives('index/*')],
      purpose: 'Deletes slices of the oplog archive that nothing needs, and what was seen of them',
    });
    const resources = [this.#props.stateBucket.arnForObjects('holds/tombstones/*')];
    const purpose = 'Announces which slices are about to be deleted';
    grant(role, { actions: ['s3:PutObject', 's3:DeleteObject'], resources, purpose, because: anyBackup });
  }

  /** The manifest is small, and written whole. */
  writeManifests(role: iam.Role): void {
    this.#allowBelow(role, {
      actions: ['s3:PutObject'],
      below: ['*/backups/*/manifest.json'],
      purpose: 'Writes the manifest, which makes a backup of the objects',
    });
  }

  /** Finds and gives up what was written in parts and never finished. */
  discardUnfinished(role: iam.Role): void {
    this.#allowOnBuckets(role, findUnfinished);
    this.#allowBelow(role, {
      actions: ['s3:AbortMultipartUpload', 's3:ListMultipartUploadParts'],
      below: ['*/backups/*'],
      purpose: 'Gives up what was written in parts and never finished',
    });
  }

  /** Where the config says so: a lock can be set and prolonged, never shortened or lifted. */
  lockBackups(role: iam.Role): void {
    for (const { bucketArn, prefix } of this.#awsStorages(({ locks }) => locks)) {
      grant(role, {
        actions: ['s3:PutObjectRetention'],
        resources: [`${bucketArn}/${prefix}*/backups/*`],
        purpose: 'Locks the objects of a backup that is complete',
        because: anyBackup,
      });
    }
  }

  /** A version that is locked or kept stays: deleting only hides the object. */
  deleteArtifacts(role: iam.Role, below: readonly string[]): void {
    this.#allowBelow(role, {
      actions: ['s3:DeleteObject'],
      below,
      purpose: 'Deletes objects that no manifest names',
    });
  }

  /** Collections of kept snapshots on their way to a server, which nobody needs once they are there. */
  deleteCollections(role: iam.Role): void {
    this.#allowOnBuckets(role, list);
    this.#allowOnBuckets(role, findUnfinished);
    this.#allowBelow(role, {
      actions: ['s3:DeleteObject', 's3:AbortMultipartUpload', 's3:ListMultipartUploadParts'],
      below: [`${artifactKeys.allCollections()}*`],
      purpose: 'Deletes the collections of a restore from a kept snapshot, which is complete',
      because: anyRun,
    });
    this.#readStorageKeys(role);
  }

  /** The users of the database: those that back up, or those of restores; of all deployments where none are named. */
  readDatabaseUsers(
    role: iam.Role,
    which: 'credentials' | 'restoreCredentials',
    deployments: readonly DeploymentSettings[] = Object.values(this.#props.settings.deployments),
  ): void {
    this.#readSecrets(role, {
      arns: deployments.flatMap(
        (deployment) => secretArn(`deployments.${deployment.name}.${which}`, deployment[which]) ?? [],
      ),
      purpose:
        which === 'credentials'
          ? 'Logs in to the databases that are backed up'
          : 'Logs in to the servers that are restored to',
    });
  }

  #allowOnBuckets(role: iam.Role, allowed: Pick<Permission, 'actions' | 'purpose'>): void {
    for (const { bucketArn } of this.#awsStorages()) grant(role, { ...allowed, resources: [bucketArn] });
  }

  /** @param allowed with the keys, as patterns below the storage's prefix */
  #allowBelow(
    role: iam.Role,
    {
      actions,
      below,
      purpose,
      because = anyBackup,
    }: Pick<Permission, 'actions' | 'purpose'> & { readonly below: readonly string[]; readonly because?: string },
  ): void {
    for (const { bucketArn, prefix } of this.#awsStorages()) {
      const resources = below.map((pattern) => `${bucketArn}/${prefix}${pattern}`);
      grant(role, { actions, resources, purpose, because });
    }
  }

  #archives(below: string): string[] {
    return Object.keys(this.#props.settings.deployments).map((name) => `${artifactKeys.archives(name)}${below}`);
  }

  #state(folders: readonly StateFolder[]): string[] {
    return folders.map((folder) => this.#props.stateBucket.arnForObjects(`${folder}/*`));
  }

  #awsStorages(which: (storage: ArtifactStorage) => boolean = () => true) {
    return this.#props.artifacts
      .filter(which)
      .flatMap(({ bucketArn, prefix }) => (bucketArn === undefined ? [] : [{ bucketArn, prefix }]));
  }

  /** For what is encrypted with the stage's key, the published config included. */
  useKey(role: iam.Role): void {
    grant(role, { actions: useKeyActions, resources: [this.#props.key.keyArn], purpose: useKeyPurpose });
  }

  /** Storages with a key, or with a server, of their own. */
  #useStorageKeys(role: iam.Role): void {
    const { artifacts } = this.#props;
    const keys = artifacts.flatMap(({ kmsKeyArn }) => kmsKeyArn ?? []);
    if (keys.length > 0) grant(role, { actions: useKeyActions, resources: [...new Set(keys)], purpose: useKeyPurpose });
    this.#readStorageKeys(role);
  }

  #readStorageKeys(role: iam.Role): void {
    this.#readSecrets(role, {
      arns: this.#props.artifacts.flatMap(({ credentials }) => credentials ?? []),
      purpose: 'Logs in to storages that are not on AWS',
    });
  }

  #readSecrets(
    role: iam.Role,
    { arns, purpose }: { readonly arns: readonly string[]; readonly purpose: string },
  ): void {
    if (arns.length === 0) return;
    grant(role, { actions: ['secretsmanager:GetSecretValue'], resources: [...new Set(arns)], purpose });
  }
}

import { parseAccessKey } from '../adapters/aws/parse-access-key.ts';
import { secretReader } from '../adapters/aws/read-secret.ts';
import { S3ObjectStore } from '../adapters/aws/s3-object-store.ts';
import { openSecretsManager } from '../adapters/aws/service-clients.ts';
import { resolveCredentials } from '../adapters/mongodb/resolve-credentials.ts';
import type { OpenStorage } from '../application/run-folder.ts';
import { HoldfastError } from '../domain/errors.ts';
import { awsRegion } from './aws-region.ts';

/** Reads secrets for this process. The client asks for nothing until it is used. */
export function openSecrets(): (arn: string) => Promise<string> {
  return secretReader(openSecretsManager());
}

/** Opens the storages of one function or worker, each once: connections are kept while the process lives. */
export function awsStorages(readSecret: (arn: string) => Promise<string>): OpenStorage {
  const open = new Map<string, S3ObjectStore>();
  return (settings) => {
    if (settings.type !== 's3' || settings.bucket === undefined) {
      throw new HoldfastError('InvalidConfig', `the storage ${settings.name} can't be reached from AWS`, {
        next: 'Give it type: s3, and deploy the stack again.',
      });
    }
    const { name, bucket, prefix, endpoint, forcePathStyle, ca, kmsKey, credentials } = settings;
    const place = { bucket, prefix, endpoint, forcePathStyle, ca, kmsKey, region: settings.region ?? awsRegion() };
    const known = open.get(JSON.stringify(place));
    if (known !== undefined) return known;
    const readKey = async () => {
      const secret = await resolveCredentials(credentials, { readSecret });
      if (secret !== undefined) return parseAccessKey(secret);
      throw new HoldfastError('CredentialsUnavailable', `the storage ${name} names no credentials`);
    };
    const description = `storage ${name} (s3://${bucket}/${prefix})`;
    const store = new S3ObjectStore({ ...place, description, ...(credentials !== undefined && { readKey }) });
    open.set(JSON.stringify(place), store);
    return store;
  };
}

/** The bucket of the stage's state. */
export function awsState(bucket: string): S3ObjectStore {
  return new S3ObjectStore({ bucket, prefix: '', region: awsRegion(), description: `state bucket ${bucket}` });
}

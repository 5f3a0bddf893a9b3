import { parseAccessKey } from '../adapters/aws/parse-access-key.ts';
import { S3ObjectStore } from '../adapters/aws/s3-object-store.ts';
import { DirectoryObjectStore } from '../adapters/directory/directory-object-store.ts';
import { resolveCredentials, type ResolveCredentialsOptions } from '../adapters/mongodb/resolve-credentials.ts';
import type { ObjectStore } from '../application/ports/object-store.ts';
import { HoldfastError } from '../domain/errors.ts';
import { type S3StorageSettings, storagePlace, type StorageSettings } from '../domain/settings.ts';

type OpenedStore = ObjectStore & { close(): Promise<void> };

/** The artifact storages of one process: each place is opened once, and given back at the end. */
export class LocalStorages {
  readonly #open = new Map<string, OpenedStore>();
  readonly #credentials: ResolveCredentialsOptions;

  /** @param credentials where `{ env: NAME }` of a storage is looked up */
  constructor(credentials: ResolveCredentialsOptions = {}) {
    this.#credentials = credentials;
  }

  /** The adapter by the storage's type. */
  open(settings: StorageSettings): ObjectStore {
    const place = settings.type === 'directory' ? settings.path : JSON.stringify(settings);
    const store = this.#open.get(place) ?? this.#make(settings);
    this.#open.set(place, store);
    return store;
  }

  async close(): Promise<void> {
    for (const store of this.#open.values()) await store.close();
    this.#open.clear();
  }

  #make(settings: StorageSettings): OpenedStore {
    const description = `storage ${settings.name} (${storagePlace(settings)})`;
    if (settings.type === 's3') return this.#makeS3(settings, description);
    return new DirectoryObjectStore({ root: settings.path, description });
  }

  /** @throws InvalidConfig for a storage whose bucket only the stack of a stage knows */
  #makeS3(settings: S3StorageSettings, description: string): S3ObjectStore {
    const { name, credentials, bucket, region, prefix, endpoint, forcePathStyle, ca, kmsKey } = settings;
    if (bucket === undefined || region === undefined) {
      throw new HoldfastError('InvalidConfig', `The storage ${name} names no bucket: the stack makes it, on AWS.`, {
        next: 'Name bucket and region to use it from this machine.',
      });
    }
    const readKey = async () => {
      const secret = await resolveCredentials(credentials, this.#credentials);
      if (!secret) throw new HoldfastError('CredentialsUnavailable', `The storage ${name} names no credentials.`);
      return parseAccessKey(secret);
    };
    return new S3ObjectStore({
      ...{ bucket, region, prefix, endpoint, forcePathStyle, ca, kmsKey, description },
      ...(credentials !== undefined && { readKey }),
    });
  }
}

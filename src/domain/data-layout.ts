import * as z from 'zod';

/** How a data directory is laid out: what mongod must be started with to open a copy of it. */
export const dataLayoutSchema = z.strictObject({
  /** `--directoryperdb`: of `storage.bson`. */
  directoryPerDb: z.boolean(),
  /** `--wiredTigerDirectoryForIndexes`: of `storage.bson`. */
  directoryForIndexes: z.boolean(),
  /** What were symbolic links at the source; the files behind them are in the backup like all others. */
  links: z.array(z.strictObject({ path: z.string(), target: z.string() })),
  /** Who owned the data directory. */
  owner: z.strictObject({ uid: z.int().min(0), gid: z.int().min(0) }),
});
export type DataLayout = z.infer<typeof dataLayoutSchema>;

/** Percona Server's and MongoDB Enterprise's stores of keys, by the first segment of their paths. */
const keyStores: readonly string[] = ['key.db', 'keystore', 'key.store'];

/**
 * How it shows that mongod encrypts its files: they are of no use without a key that no backup holds.
 * @param paths of the data directory
 * @param turtle the text of `WiredTiger.turtle`, where the configuration of the metadata file stands
 * @returns undefined when nothing does
 */
export function encryptionSign(paths: Iterable<string>, turtle: string): string | undefined {
  for (const path of paths) {
    const [top = ''] = path.split('/', 1);
    if (keyStores.includes(top)) return `the data directory holds ${top}`;
  }
  const name = /\bencryption=\(keyid=[^,)]*,name=([^,)]+)/.exec(turtle)?.[1];
  return name === undefined ? undefined : `WiredTiger.turtle names the encryption ${name.slice(0, 40)}`;
}

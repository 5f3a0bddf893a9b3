import { lstat, opendir, readFile, readlink, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { deserialize } from 'bson';
import * as z from 'zod';
import { type DataFileKind, requireDataPath, whyLeftOut } from '../../domain/data-files.ts';
import { type DataLayout, encryptionSign } from '../../domain/data-layout.ts';
import { HoldfastError } from '../../domain/errors.ts';

export interface ScannedFile {
  /** Relative to the data directory, segments joined by "/". */
  readonly path: string;
  readonly size: number;
  readonly mode: number;
}

/** A data directory as a backup takes it: without what never belongs to one. */
export interface ScannedDirectory {
  /** Each after the one that it lies in. */
  readonly directories: readonly { readonly path: string; readonly mode: number }[];
  readonly files: readonly ScannedFile[];
  readonly links: DataLayout['links'];
  readonly owner: DataLayout['owner'];
  readonly bytes: number;
}

export interface ScanOptions {
  readonly root: string;
  /** For messages: `host:port`. */
  readonly member: string;
  /** What lies behind symbolic links is taken as if it lay in their place; else links are refused. */
  readonly followLinks: boolean;
}

const permissions = 0o7777;

function unsupported(member: string, what: string, next?: string): HoldfastError {
  return new HoldfastError(
    'VolumeLayoutUnsupported',
    `The data of ${member} ${what}.`,
    next === undefined ? {} : { next },
  );
}

/** Where the volume is mounted alone, a link to another one leads nowhere: without what is behind it the files are of no use. */
function leadsElsewhere(path: string, member: string): HoldfastError {
  return unsupported(
    member,
    `holds ${path}, a symbolic link: what it leads to is not on the volume`,
    'Put data and journal on one volume, or ask for the method logical.',
  );
}

class Scan {
  readonly #options: ScanOptions;
  readonly directories: { path: string; mode: number }[] = [];
  readonly files: ScannedFile[] = [];
  readonly links: { path: string; target: string }[] = [];

  constructor(options: ScanOptions) {
    this.#options = options;
  }

  /** @param above real paths of the directories that this one lies in: a link to one of them has no end */
  async enter(path: string, above: readonly string[]): Promise<void> {
    const names: string[] = [];
    for await (const { name } of await opendir(join(this.#options.root, path))) names.push(name);
    for (const name of names.sort()) await this.#take(path === '' ? name : `${path}/${name}`, above);
  }

  async #take(path: string, above: readonly string[]): Promise<void> {
    const { root, member } = this.#options;
    const place = join(root, path);
    const entry = await lstat(place).catch(ignoreMissing);
    if (entry === undefined) return;
    const found = entry.isSymbolicLink() ? await stat(place).catch(ignoreMissing) : entry;
    if (found === undefined && entry.isSymbolicLink() && whyLeftOut(path, 'file') === undefined)
      throw leadsElsewhere(path, member);
    const kind: DataFileKind = found?.isFile() ? 'file' : found?.isDirectory() ? 'directory' : 'other';
    if (whyLeftOut(path, kind) !== undefined) return;
    requireDataPath(path, member);
    if (found === undefined) return;
    if (entry.isSymbolicLink()) this.links.push({ path, target: await this.#follow(path, place) });
    const mode = found.mode & permissions;
    if (kind === 'file') {
      this.files.push({ path, size: found.size, mode });
      return;
    }
    const identity = `${found.dev}:${found.ino}`;
    if (above.includes(identity)) throw unsupported(member, `holds ${path}, a link to a directory that it lies in`);
    this.directories.push({ path, mode });
    await this.enter(path, [...above, identity]);
  }

  async #follow(path: string, place: string): Promise<string> {
    if (this.#options.followLinks) return readlink(place);
    throw leadsElsewhere(path, this.#options.member);
  }
}

function ignoreMissing(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT') throw error;
}

/**
 * Lists what belongs to a backup of a data directory. Files of mongod come and go while it runs: of one that nobody may
 * write to, all are there.
 * @throws VolumeNotFound when it is no data directory of WiredTiger, VolumeLayoutUnsupported
 */
export async function scanDataDirectory(options: ScanOptions): Promise<ScannedDirectory> {
  const { root, member } = options;
  const top = await stat(root).catch((cause: unknown) => {
    throw new HoldfastError('VolumeNotFound', `The data of ${member} cannot be read at ${root}: ${String(cause)}.`, {
      cause,
    });
  });
  const scan = new Scan(options);
  await scan.enter('', [`${top.dev}:${top.ino}`]);
  const { directories, files, links } = scan;
  if (!files.some(({ path }) => path === 'WiredTiger.turtle'))
    throw new HoldfastError(
      'VolumeNotFound',
      `${root} is no data directory of ${member}: it holds no WiredTiger.turtle.`,
    );
  const turtle = await readFile(join(root, 'WiredTiger.turtle'), 'utf8');
  const sign = encryptionSign(
    files.map(({ path }) => path),
    turtle,
  );
  if (sign !== undefined)
    throw unsupported(
      member,
      `is encrypted at rest (${sign}): no backup holds the key`,
      'Ask for the method logical; the storage encrypts what it holds.',
    );
  const bytes = files.reduce((sum, { size }) => sum + size, 0);
  return { directories, files, links, owner: { uid: top.uid, gid: top.gid }, bytes };
}

const storageSchema = z.object({
  storage: z.object({
    engine: z.literal('wiredTiger'),
    options: z.object({ directoryPerDB: z.boolean(), directoryForIndexes: z.boolean() }),
  }),
});

/** What mongod must be started with to open the directory: as its `storage.bson` says. @throws VolumeLayoutUnsupported */
export async function readDataLayout(
  { root, member }: Pick<ScanOptions, 'root' | 'member'>,
  { links, owner }: Pick<ScannedDirectory, 'links' | 'owner'>,
): Promise<DataLayout> {
  try {
    const { storage } = storageSchema.parse(deserialize(await readFile(join(root, 'storage.bson'))));
    const { directoryPerDB: directoryPerDb, directoryForIndexes } = storage.options;
    return { directoryPerDb, directoryForIndexes, links: [...links], owner };
  } catch (cause) {
    throw unsupported(member, `has a storage.bson that says nothing usable (${String(cause).slice(0, 200)})`);
  }
}

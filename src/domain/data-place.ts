import * as z from 'zod';

/** Where a member's data lies on its machine, as the server itself says. It sees mounts, and neither disks nor symbolic links. */

/** One entry of `hostInfo`'s mountInfo, which is `/proc/self/mountinfo` (proc(5)). */
const mountSchema = z.strictObject({
  mountPoint: z.string(),
  /** What of the file system is mounted: `/`, or a folder of it for a bind mount. */
  root: z.string(),
  /** `xfs`, `ext4`, `tmpfs`, … */
  type: z.string(),
  /** `/dev/nvme1n1`, `/dev/mapper/vg-data`, … */
  source: z.string(),
});
export type Mount = z.infer<typeof mountSchema>;

/** Whether mongod encrypts its files (`security.enableEncryption` of MongoDB Enterprise and Percona Server). */
const encrypted = z.literal(true).optional();

const knownPlaceSchema = z.strictObject({
  encrypted,
  dbPath: z.string(),
  /** What it lies on: the entry with the longest mount point that leads to it. */
  mount: mountSchema,
  /** What is mounted on folders of it that hold data. */
  below: z.array(mountSchema),
  /** Of the file system under it, links followed: `dbStats` has it from statvfs. */
  fileSystemBytes: z.number().positive().optional(),
});

export const dataPlaceSchema = z.union([knownPlaceSchema, z.strictObject({ encrypted, unknown: z.string() })]);
export type DataPlace = z.infer<typeof dataPlaceSchema>;
export type KnownPlace = z.infer<typeof knownPlaceSchema>;

const answersSchema = z.object({
  hostInfo: z.object({
    extra: z.object({ mountInfo: z.unknown(), extra: z.object({ mountInfo: z.unknown() }) }).partial(),
  }),
  options: z.object({
    parsed: z.object({
      security: z.object({ enableEncryption: z.unknown() }).partial().optional(),
      storage: z
        .object({
          dbPath: z.string(),
          directoryPerDB: z.boolean(),
          wiredTiger: z.object({ engineConfig: z.object({ directoryForIndexes: z.boolean() }).partial() }).partial(),
        })
        .partial()
        .optional(),
    }),
  }),
});

const statsSchema = z.object({ fsTotalSize: z.number().positive() });

/** Of mongod, on Linux, where neither its command line nor its config file names one. */
const usualDbPath = '/data/db';

/** Folders of a data directory that hold nothing of a backup. */
const idleFolders: readonly string[] = ['diagnostic.data', '_tmp', 'rollback', 'lost+found'];

/**
 * What a server says of the place of its data.
 *
 * `hostInfo` has `extra.mountInfo` on Linux (src/mongo/util/processinfo_linux.cpp); in 6.0 it is in `extra.extra`
 * (SERVER-68578; seen on 6.0.5). Its parser drops each line without an optional field: mounts that are private. They are `shared:N`
 * where systemd made them, and private in many containers. So what is not in it may be there all the same.
 * @param hostInfo its answer; null when it gave none, as without the privilege
 * @param options of `getCmdLineOpts`; null likewise
 * @param dbStats of the database `local`, which is in the data directory of every member: `fsTotalSize` is that of the file system
 *   under it (src/mongo/db/stats; equal to df's on 6.0.5; 0 for a database that is not there)
 */
export function readDataPlace(hostInfo: unknown, options: unknown, dbStats: unknown = null): DataPlace {
  const found = findPlace(hostInfo, options);
  const stats = statsSchema.safeParse(dbStats);
  const place = stats.success && 'mount' in found ? { ...found, fileSystemBytes: stats.data.fsTotalSize } : found;
  const { data } = answersSchema.shape.options.safeParse(options);
  return data?.parsed.security?.enableEncryption === true ? { ...place, encrypted: true } : place;
}

function findPlace(hostInfo: unknown, options: unknown): DataPlace {
  if (hostInfo === null || options === null)
    return { unknown: 'the server does not answer hostInfo and getCmdLineOpts, which are privileges on the cluster' };
  const answers = answersSchema.safeParse({ hostInfo, options });
  if (!answers.success) return { unknown: 'its answers to hostInfo and getCmdLineOpts are of another kind' };
  const { extra } = answers.data.hostInfo;
  const { storage = {} } = answers.data.options.parsed;
  const entries = z.array(mountSchema.loose()).safeParse(extra.mountInfo ?? extra.extra?.mountInfo);
  if (!entries.success) return { unknown: 'this version of MongoDB says nothing of its mounts' };
  const dbPath = clean(storage.dbPath ?? usualDbPath);
  if (!dbPath.startsWith('/')) return { unknown: `it was started with the relative path ${dbPath}` };
  const mounts = entries.data.map(({ mountPoint, root, type, source }) => ({
    ...{ mountPoint: unescape(mountPoint), root: unescape(root), type, source: unescape(source) },
  }));
  const mount = mountOf(dbPath, mounts);
  if (mount === undefined) return { unknown: `its hostInfo lists no mount that leads to ${dbPath}` };
  const inFolders = storage.directoryPerDB === true || storage.wiredTiger?.engineConfig?.directoryForIndexes === true;
  return { dbPath, mount, below: mounts.filter((one) => holdsData(one, dbPath, inFolders)) };
}

/** @param path of a file or folder. Of several mounts on one place the last one hides the others. */
function mountOf(path: string, mounts: readonly Mount[]): Mount | undefined {
  let longest: Mount | undefined;
  for (const mount of mounts) {
    if (!leadsTo(mount.mountPoint, path)) continue;
    if (longest === undefined || mount.mountPoint.length >= longest.mountPoint.length) longest = mount;
  }
  return longest;
}

const leadsTo = (folder: string, path: string): boolean =>
  folder === path || path.startsWith(folder === '/' ? folder : `${folder}/`);

/** @param inFolders whether not only the journal but databases or indexes have folders */
function holdsData({ mountPoint }: Mount, dbPath: string, inFolders: boolean): boolean {
  if (mountPoint === dbPath || !leadsTo(dbPath, mountPoint)) return false;
  const [folder = ''] = relativePath(dbPath, mountPoint).split('/', 1);
  return folder === 'journal' || (inFolders && !idleFolders.includes(folder));
}

/** @param path below `folder`, or the folder itself: then it is empty */
export function relativePath(folder: string, path: string): string {
  return path.slice(folder.length).replace(/^\/+/, '');
}

/** Without doubled slashes, `.` and a slash at the end. */
function clean(path: string): string {
  const segments = path.split('/').filter((segment) => segment !== '' && segment !== '.');
  return `${path.startsWith('/') ? '/' : ''}${segments.join('/')}`;
}

/** The kernel writes space, tab, newline and backslash as octal numbers. */
function unescape(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
}

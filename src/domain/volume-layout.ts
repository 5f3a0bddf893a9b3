import { type DataPlace, type KnownPlace, type Mount, relativePath } from './data-place.ts';
import { HoldfastError } from './errors.ts';
import { type PlannedVolume, type VolumeFilesystem, volumeFilesystemSchema } from './run.ts';
import { sameDevice } from './volume-target.ts';

/**
 * What lies between a data directory and its EBS volumes, and what that leaves of the methods. ECS mounts a file system that is on
 * the volume itself, and one volume (reference: RunTask, managedEBSVolume).
 */

/** What a mount's source is, by the names that the kernel gives (Documentation/admin-guide/devices.txt). */
type SourceKind = 'whole' | 'partition' | 'mapped' | 'raid' | 'pool' | 'none' | 'unknown';

const diskNames: readonly (readonly [RegExp, SourceKind])[] = [
  [/^\/dev\/nvme\d+n\d+$/, 'whole'],
  [/^\/dev\/(sd|xvd)[a-z]{1,2}$/, 'whole'],
  [/^\/dev\/(nvme\d+n\d+|loop\d+)p\d+$/, 'partition'],
  [/^\/dev\/(sd|xvd)[a-z]{1,2}\d+$/, 'partition'],
  [/^\/dev\/(mapper\/|dm-\d)/, 'mapped'],
  [/^\/dev\/md/, 'raid'],
  [/^\/dev\//, 'unknown'],
];

function kindOf({ source, type }: Mount, devices: readonly string[]): SourceKind {
  if (type === 'zfs' || type === 'btrfs') return 'pool';
  const kind = diskNames.find(([name]) => name.test(source))?.[1] ?? 'none';
  // On Xen a volume may be attached under the name of a partition: then that is all of it.
  return kind === 'partition' && devices.some((device) => sameDevice(device, source)) ? 'whole' : kind;
}

export interface Layout {
  /** For people, after "the data is". */
  readonly text: string;
  /** Why no worker can mount it; undefined when one can. */
  readonly unmountable?: string;
  readonly filesystem: VolumeFilesystem | null;
  /** How many volumes it lies on at least. */
  readonly volumes: number;
  /** Whether it may lie on more than those. */
  readonly spans: boolean;
  /** Whether nothing lies between the file system and disks. */
  readonly whole: boolean;
}

/** @returns undefined where what the server says proves nothing */
export function layoutOf({ dbPath, mount, below }: KnownPlace, devices: readonly string[]): Layout | undefined {
  const kind = kindOf(mount, devices);
  // A symbolic link or a private mount leads elsewhere, and either looks like this.
  if (mount.mountPoint === '/' || kind === 'unknown') return undefined;
  const filesystem = volumeFilesystemSchema.safeParse(mount.type).data ?? null;
  const unmountable = whyUnmountable(mount, kind, filesystem) ?? whyApart(dbPath, below);
  const kinds = [kind, ...below.map((one) => kindOf(one, devices))];
  return {
    text: `${dbPath} on ${mount.source} (${mount.type} at ${mount.mountPoint})`,
    ...(unmountable !== undefined && { unmountable }),
    filesystem: unmountable === undefined ? filesystem : null,
    volumes: kinds.includes('none')
      ? Infinity
      : Math.max(kinds.includes('raid') ? 2 : 1, disksOf([mount, ...below], devices)),
    spans: kinds.some((one) => one !== 'whole' && one !== 'partition'),
    whole: kinds.every((one) => one === 'whole'),
  };
}

/** Of a place that has no layout: for people. */
export function whyHidden({ dbPath, mount }: KnownPlace): string {
  return `the server sees ${dbPath} on ${mount.source} at ${mount.mountPoint}, which a symbolic link or a mount that it does not list may hide`;
}

/** How many disks are known by their names: what lies between may make one of several, or several of one. */
function disksOf(mounts: readonly Mount[], devices: readonly string[]): number {
  const disks = mounts.flatMap((mount) => {
    const kind = kindOf(mount, devices);
    if (kind === 'partition') return mount.source.replace(/p?\d+$/, '');
    return kind === 'whole' ? mount.source : [];
  });
  return new Set(disks).size;
}

function whyUnmountable({ source, type }: Mount, kind: SourceKind, filesystem: string | null): string | undefined {
  const a = `its data lies on ${source}`;
  switch (kind) {
    case 'partition':
      return `${a}, a partition`;
    case 'mapped':
      return `${a}: LVM or LUKS`;
    case 'raid':
      return `${a}, a RAID`;
    case 'none':
      return `${a} (${type}), which is no volume`;
    case 'pool':
    case 'whole':
    case 'unknown':
      return filesystem === null
        ? `${a} with the file system ${type}, and a worker mounts xfs, ext4 and ext3`
        : undefined;
  }
}

function whyApart(dbPath: string, below: readonly Mount[]): string | undefined {
  const [first] = below;
  return first && `${first.mountPoint} lies apart from ${dbPath}, on ${first.source}, and a worker gets one volume`;
}

/**
 * The volume of a plan, with what the member's server says of it: its file system and the path in it where they are known, and why no
 * worker can mount it where none can. A kept snapshot of such a volume is as good as any, once somebody mounts it; one that
 * is not of all that the data lies on is none.
 * @param place undefined where the server was not asked: of what is no EBS volume
 * @throws VolumeLayoutUnsupported where a snapshot of these volumes would not be all of the data, or of no use without a key
 */
export function withLayout(volume: PlannedVolume, place: DataPlace | undefined, member: string): PlannedVolume {
  if (volume.type !== 'ebs' || place === undefined) return volume;
  if (place.encrypted === true)
    throw new HoldfastError(
      'VolumeLayoutUnsupported',
      `The mongod ${member} encrypts its files (security.enableEncryption): no backup holds the key.`,
      { next: 'Ask for the method logical, or encrypt the volume by KMS instead.' },
    );
  const { devices = [], others = [] } = volume.attached ?? {};
  const notKnown = (why: string) =>
    volume.unmountable === undefined
      ? { ...volume, reason: `${volume.reason}; that a worker can mount it is not known before it does: ${why}` }
      : volume;
  if ('unknown' in place) return notKnown(place.unknown);
  const layout = layoutOf(place, devices);
  if (layout === undefined) return notKnown(whyHidden(place));
  requireWhole(volume, layout, others, member);
  const { text, filesystem, unmountable = volume.unmountable } = layout;
  const reason = `${volume.reason}; the server has ${text}`;
  if (unmountable !== undefined) return { ...volume, reason, filesystem: null, unmountable };
  const dataPath = volume.dataPath === '' ? pathWithin(place) : volume.dataPath;
  return { ...volume, reason, filesystem, dataPath };
}

function requireWhole({ volumes }: PlannedVolume, layout: Layout, others: readonly string[], member: string): void {
  const refuse = (why: string, next: string) =>
    new HoldfastError(
      'VolumeLayoutUnsupported',
      `A snapshot of ${volumes.join(', ')} would not be all of the data of ${member}: ${why}.`,
      { next },
    );
  if (layout.volumes === Infinity)
    throw refuse(layout.unmountable ?? layout.text, 'Ask for the method logical, or move the data to an EBS volume.');
  const name = `Name all of them for ${member} under volumes of the deployment, or ask for the method logical.`;
  if (volumes.length < layout.volumes)
    throw refuse(`${layout.unmountable ?? ''}, so on ${layout.volumes} volumes at least`, name);
  if (layout.spans && others.length > 0) throw refuse(`${layout.text} may lie on ${others.join(', ')} as well`, name);
}

/** The data directory within the file system that it lies on. */
function pathWithin({ dbPath, mount }: KnownPlace): string {
  const segments = [mount.root, relativePath(mount.mountPoint, dbPath)].flatMap((path) => path.split('/'));
  return segments.filter((segment) => segment !== '').join('/');
}

import * as z from 'zod';
import { HoldfastError } from './errors.ts';

/** A new EBS volume as the target of a restore: what may be asked for, and what is planned of it. */

/** What ECS makes for a task, in GiB: a data directory that needs more is restored from its snapshot by hand. */
export const largestVolume = 16_384;

/**
 * What each type takes, as ECS makes it (reference: RunTask, managedEBSVolume). `throughput` in MiB/s. Other types are slower
 * than gp3 and no cheaper, or need an instance that nobody names here.
 */
const volumeTypes = {
  gp3: {
    ...{ leastGiB: 1, iops: { least: 3_000, most: 16_000, usual: 3_000, perGiB: 500 } },
    throughput: { least: 125, most: 1_000, usual: 125, perIops: 0.25 },
  },
  io2: { leastGiB: 4, iops: { least: 100, most: 64_000, usual: 3_000, perGiB: 500 }, throughput: null },
} as const;

const idOf = (prefix: string) =>
  z.string().regex(new RegExp(`^${prefix}-[0-9a-f]{8,17}$`), `expected an id like ${prefix}-0123456789abcdef0`);

/** MiB/s that EBS loads a snapshot's blocks with when it is asked to hurry. */
const initializationRate = z.int().min(100).max(300);

/** How the blocks of a snapshot come into a volume: when they are first read, at a rate, or all before the volume is made. */
export const initializationSchema = z
  .union([z.enum(['lazy', 'fast']), z.strictObject({ rate: initializationRate })], {
    error: '"lazy", "fast" or {"rate": 100 to 300, in MiB/s}',
  })
  .meta({
    description:
      'Of a snapshot: lazy (default; blocks are loaded when they are first read), {"rate": MiB/s} (provisioned rate), or fast (fast snapshot restore: everything is loaded before).',
  });
export type Initialization = z.infer<typeof initializationSchema>;

/** A role is granted keys, and no aliases of theirs. */
export const keyArn = z
  .string()
  .regex(
    /^arn:[\w-]+:kms:[\w-]+:\d{12}:key\/[\w-]+$/,
    'expected the ARN of a KMS key, of the form arn:aws:kms:…:key/…',
  );

const volumeRequestShape = {
  zone: z
    .string()
    .regex(/^[a-z]{2}(-[a-z]+)+-\d[a-z]$/, 'expected an availability zone such as eu-central-1a')
    .optional()
    .meta({
      description:
        'Of the node that will use it; else that of attach.instance, of the source’s volume, or the only one.',
    }),
  type: z.enum(['gp3', 'io2']).optional().meta({ description: 'gp3 when left out.' }),
  sizeGiB: z
    .int()
    .min(1)
    .max(largestVolume)
    .optional()
    .meta({ description: 'Left out: what the backup needs, and room.' }),
  iops: z.int().min(100).optional(),
  throughput: z.int().min(125).max(1_000).optional().meta({ description: 'MiB/s, of gp3.' }),
  filesystem: z
    .enum(['xfs', 'ext4'])
    .optional()
    .meta({ description: 'Of a new one; xfs when left out. A snapshot has its own.' }),
  kmsKey: keyArn
    .optional()
    .meta({ description: 'Left out: the key of the snapshot, or the account’s own for EBS. Always encrypted.' }),
  initialization: initializationSchema.optional(),
  attach: z
    .strictObject({
      instance: idOf('i'),
      device: z.string().regex(/^(\/dev\/)?(sd|xvd)[b-z]\d{0,2}$/, 'expected a device such as /dev/sdf'),
    })
    .optional()
    .meta({ description: 'Attach it to this instance when it is ready; left out, nothing is attached.' }),
};

/** What may be asked of the volume that a restore makes. */
export const volumeRequestSchema = z.strictObject(volumeRequestShape);
export type VolumeRequest = z.infer<typeof volumeRequestSchema>;

/** The volume as its task is launched with it: in the plan of a restore. */
export const targetVolumeSchema = z.strictObject({
  zone: z.string(),
  /** In that zone: the task is started there, and the volume made with it. */
  subnet: z.string(),
  type: z.enum(['gp3', 'io2']),
  sizeGiB: z.int().min(1),
  iops: z.int(),
  /** MiB/s; null where the type has none. */
  throughput: z.int().nullable(),
  filesystem: z.enum(['xfs', 'ext4', 'ext3']),
  /** ARN; null for the account's own. */
  kmsKey: z.string().nullable(),
  /** What it is made from; null for an empty one. */
  snapshot: z.string().nullable(),
  initialization: initializationSchema,
  /** The data directory within the volume; empty for its root. */
  dataPath: z.string(),
  /** Of the mongod that recovers the files: its worker's image has it. */
  mongodbVersion: z.string(),
  attach: volumeRequestShape.attach.unwrap().nullable(),
});
export type TargetVolume = z.infer<typeof targetVolumeSchema>;

/** The volume on which files become collections for a running server: it goes with its task, and is in whichever zone that is. */
export const scratchVolumeSchema = targetVolumeSchema.omit({ zone: true, subnet: true, attach: true });
export type ScratchVolume = z.infer<typeof scratchVolumeSchema>;

const gib = 2 ** 30;
/** Beyond what the files need: a file system's own, which is 10 % of a small ext4 and 7 of a large one, and room to work with right after. */
const roomShare = 1.2;

const refuse = (where: string, given: unknown, message: string, next: string): HoldfastError =>
  new HoldfastError('InvalidInput', message, { next, details: { where: `volume.${where}`, given } });

/**
 * The size of a volume for so many bytes of files; of a snapshot's at least its own.
 * @throws InvalidInput for one that is too small, TargetNotSuitable for what ECS can't make
 */
export function sizeOfVolume(
  { sizeGiB }: Pick<VolumeRequest, 'sizeGiB'>,
  { bytes, snapshotGiB }: { readonly bytes: number; readonly snapshotGiB: number | null },
): number {
  // A snapshot's own size was chosen by somebody; of a new volume less is free than its size.
  const needed = Math.max(1, Math.ceil((bytes * roomShare) / gib), snapshotGiB ?? 0);
  if (needed > largestVolume)
    throw new HoldfastError(
      'TargetNotSuitable',
      `The backup needs a volume of ${needed} GiB; a task gets one of at most ${largestVolume} GiB.`,
      {
        next: 'Restore it to a directory of a machine that has the room; a volume ("to": "volume") needs half of what a running server does.',
      },
    );
  if (sizeGiB === undefined) return needed;
  if (sizeGiB >= needed) return sizeGiB;
  const why =
    snapshotGiB !== null && snapshotGiB >= needed
      ? 'its snapshot is of'
      : 'its files, their recovery and a file system need';
  throw refuse(
    'sizeGiB',
    sizeGiB,
    `a volume of ${sizeGiB} GiB is too small: ${why} ${needed} GiB`,
    `Ask for ${needed} or more, or leave it out.`,
  );
}

/** @throws InvalidInput */
export function performanceOf(
  { type = 'gp3', iops, throughput }: Pick<VolumeRequest, 'type' | 'iops' | 'throughput'>,
  sizeGiB: number,
): Pick<TargetVolume, 'type' | 'iops' | 'throughput'> {
  const rules = volumeTypes[type];
  if (sizeGiB < rules.leastGiB)
    throw refuse('sizeGiB', sizeGiB, `${type} begins with ${rules.leastGiB} GiB`, `Ask for ${rules.leastGiB} or more.`);
  const { least, most, usual, perGiB } = rules.iops;
  // What gp3 has at any size comes first.
  const ceiling = Math.min(most, Math.max(least, sizeGiB * perGiB));
  const chosen = iops ?? Math.min(usual, ceiling);
  if (chosen < least || chosen > ceiling)
    throw refuse(
      'iops',
      iops,
      `${type} of ${sizeGiB} GiB takes ${least} to ${ceiling} IOPS`,
      'Correct it, or leave it out.',
    );
  if (rules.throughput === null) {
    if (throughput === undefined) return { type, iops: chosen, throughput: null };
    throw refuse(
      'throughput',
      throughput,
      `${type} has no throughput to choose`,
      'Leave it out, or ask for the type gp3.',
    );
  }
  const mbps = throughput ?? rules.throughput.usual;
  const fastest = Math.min(rules.throughput.most, Math.floor(chosen * rules.throughput.perIops));
  if (mbps <= fastest) return { type, iops: chosen, throughput: mbps };
  throw refuse(
    'throughput',
    throughput,
    `${chosen} IOPS carry at most ${fastest} MiB/s`,
    `Ask for ${fastest} or less, or for more iops.`,
  );
}

export interface Zones {
  /** Subnets of the stage, by the zone that they are in. */
  readonly subnets: Readonly<Record<string, string>>;
  /** Of the instance that the volume is to be attached to. */
  readonly ofInstance?: string | undefined;
  /** Of the volume that the backup was taken of; undefined where it is gone. */
  readonly ofSource?: string | undefined;
}

/**
 * Which zone the volume is made in: a volume can't leave its zone, so it is that of the node that will use it.
 * @throws InvalidInput for a zone that the instance is not in, that the stage can start no task in, or that nobody names
 */
export function chooseZone(
  { zone }: Pick<VolumeRequest, 'zone'>,
  { subnets, ofInstance, ofSource }: Zones,
): Pick<TargetVolume, 'zone' | 'subnet'> {
  const names = Object.keys(subnets).sort();
  const list = names.join(', ');
  if (zone !== undefined && ofInstance !== undefined && zone !== ofInstance)
    throw refuse(
      'zone',
      zone,
      `the instance to attach to is in ${ofInstance}, not in ${zone}`,
      `Leave the zone out, or name ${ofInstance}.`,
    );
  const only = names.length === 1 ? names[0] : undefined;
  const chosen = zone ?? ofInstance ?? ofSource ?? only;
  if (chosen === undefined)
    throw refuse(
      'zone',
      undefined,
      'nothing tells which zone the volume is for: the volume that was backed up is gone',
      `Name the zone of the node that will use it: ${list}.`,
    );
  const subnet = subnets[chosen];
  if (subnet !== undefined) return { zone: chosen, subnet };
  throw refuse(
    'zone',
    chosen,
    `the stage has no subnet in ${chosen}: no task can be started there`,
    `Name one of ${list}; or add a subnet of ${chosen} to network of the config, and deploy.`,
  );
}

/** `sdf` and `/dev/xvdf` are one device to whoever attaches. */
const plainDevice = (device: string): string => device.replace(/^\/dev\//, '').replace(/^xvd/, 'sd');

/** Whether two names are those of one device of an instance. */
export function sameDevice(one: string, other: string): boolean {
  return plainDevice(one) === plainDevice(other);
}

/** What the lease on a device is named by: one restore at a time attaches to it. */
export function deviceKey({ instance, device }: NonNullable<TargetVolume['attach']>): string {
  return `${instance}/${plainDevice(device)}`;
}

import * as z from 'zod';
import { volumeFilesystemSchema } from './run.ts';
import { keyArn } from './volume-target.ts';

/** Where the data of a deployment's members lies on AWS, and how. The EC2 API cannot look into a volume: what it does not know is said here. */
export const ebsSettingsSchema = z.strictObject({
  tags: z
    .record(z.string().min(1).max(128), z.string().max(256))
    .refine((tags) => Object.keys(tags).length > 0, { error: 'expected at least one tag' })
    .optional()
    .meta({ description: 'The volumes of the data have these tags; of several members also holdfast:member.' }),
  instance: z.boolean().optional().meta({
    description: "The volumes are those of the EC2 instance behind the member's address, but its root volume.",
  }),
  filesystem: volumeFilesystemSchema.default('xfs').meta({
    description: 'On the volume itself: a worker cannot mount partitions, LVM, RAID or LUKS.',
  }),
  dataPath: z
    .string()
    .regex(/^(?!\/)(?!.*(^|\/)\.{1,2}(\/|$))[^\0]*[^/\0]$|^$/, 'expected a relative path such as mongodb/data')
    .default('')
    .meta({ description: "The data directory within the volume; left out for the volume's root." }),
  kmsKeys: z
    .array(keyArn)
    .min(1)
    .optional()
    .meta({ description: 'The keys that the volumes are encrypted with, where they are your own.' }),
});
export type EbsSettings = z.infer<typeof ebsSettingsSchema>;

/** How EC2 names volumes. */
export const volumeId = /^vol-[0-9a-f]+$/;

/** What a deployment's settings say of volumes. */
export interface VolumeSettings {
  readonly ebs?: EbsSettings | undefined;
  readonly volumes?: Readonly<Record<string, string | readonly string[]>> | undefined;
}

/** Whether a deployment's data lies on EBS volumes that are known: only then anybody asks how. */
export function hasEbsVolumes({ ebs, volumes = {} }: VolumeSettings): boolean {
  const named = Object.values(volumes).flat();
  return ebs !== undefined || named.some((name) => volumeId.test(name));
}

/** Which of several volumes with the tags are a member's: its `host:port`, or its host alone. */
export const memberTag = 'holdfast:member';

import type { PlannedVolume } from './run.ts';
import type { Settings } from './settings.ts';

/** KMS keys of EBS volumes: which of them the roles of a stage may use. */

/** ARNs, each once: the roles of a stage may use the keys that any of its deployments names. AWS's own key for EBS asks for no grant. */
export function grantedKeys({ deployments }: Pick<Settings, 'deployments'>): readonly string[] {
  return [...new Set(Object.values(deployments).flatMap(({ ebs }) => ebs?.kmsKeys ?? []))].sort();
}

/**
 * Whether a worker's volume can have a key. EC2 says which key a volume has, and not whose: only a key of another account is surely
 * none of AWS's own.
 * @param account in which the volume is, of 12 digits
 */
export function keyVerdict(
  key: string,
  granted: readonly string[],
  account: string | undefined,
): 'usable' | 'refused' | 'unknown' {
  if (granted.includes(key)) return 'usable';
  const owner = key.split(':')[4];
  return account === undefined || owner === account ? 'unknown' : 'refused';
}

/** For people: after the name of what has the key. */
export const unknownKey = (key: string): string =>
  `is encrypted with ${key}, which is not under ebs.kmsKeys: a worker can use it only if it is AWS's own (aws/ebs)`;

/** The volume of a plan, with what its key leaves of it: a snapshot asks for no key, a worker that reads it does. */
export function withKey(volume: PlannedVolume, granted: readonly string[] = []): PlannedVolume {
  const { key = null, account } = volume.attached ?? {};
  const [id, ...others] = volume.volumes;
  if (key === null || id === undefined || others.length > 0 || volume.unmountable !== undefined) return volume;
  switch (keyVerdict(key, granted, account)) {
    case 'usable':
      return volume;
    case 'refused':
      return {
        ...volume,
        unmountable: `${id} is encrypted with ${key} of another account, which has to be under ebs.kmsKeys of the deployment when the stack is deployed`,
      };
    case 'unknown':
      return { ...volume, reason: `${volume.reason}; it ${unknownKey(key)}` };
  }
}

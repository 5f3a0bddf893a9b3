import type { DataPlace } from './data-place.ts';
import { memberTag } from './ebs-settings.ts';
import type { PlannedVolume } from './run.ts';
import { layoutOf, whyHidden } from './volume-layout.ts';

/** A file system takes less than the rest of its volume for itself: ext4 2 %, XFS 1 %. */
const leastOfVolume = 0.9;

/**
 * The volume of a plan, with why nobody can tell that the data is on it: it was found on an instance or by tags, nobody names it, and
 * what the server says fits another disk as well. Nobody looks into a kept snapshot before a restore; who copies files compares them.
 * @param place undefined where the server was not asked
 */
export function withProof(volume: PlannedVolume, place: DataPlace | undefined): PlannedVolume {
  const unproven = whyUnproven(volume, place);
  return unproven === undefined ? volume : { ...volume, unproven };
}

function whyUnproven(volume: PlannedVolume, place: DataPlace | undefined): string | undefined {
  const { guess, devices = [], others = [] } = volume.attached ?? {};
  if (guess === undefined) return undefined;
  if (place === undefined) return 'its server was not asked where it lies';
  if ('unknown' in place) return place.unknown;
  const layout = layoutOf(place, devices);
  if (layout === undefined) return whyHidden(place);
  const other = whichOther(layout.whole, guess.instanceStore, others);
  if (other !== undefined) return `the server has ${layout.text}, ${other}`;
  const { fileSystemBytes: bytes = guess.bytes } = place;
  const tooSmall = volume.volumes.length === 1 && bytes < leastOfVolume * guess.bytes;
  if (bytes <= guess.bytes && !tooSmall) return undefined;
  return `its file system has ${gib(bytes)}, and what was found ${gib(guess.bytes)}`;
}

/** Which other disk it may be, of a machine with a root disk and the volumes that were found. */
function whichOther(whole: boolean, instanceStore: boolean, others: readonly string[]): string | undefined {
  if (!whole) return 'which may be of another disk, that of its system too';
  if (instanceStore) return 'which may be a disk of the instance itself';
  return others.length > 0 ? `which may be ${others.join(' or ')} as well` : undefined;
}

const gib = (bytes: number): string => `${(bytes / 1024 ** 3).toFixed(1)} GiB`;

/** What names volumes for good: for the `next` of errors. */
export const howToName = (member: string): string =>
  `name them for ${member} under volumes of the deployment, or tag each with ${memberTag} = ${member}`;

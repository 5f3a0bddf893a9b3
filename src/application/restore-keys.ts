import { HoldfastError } from '../domain/errors.ts';
import type { Manifest } from '../domain/manifest.ts';
import type { RestoreRequest } from '../domain/run.ts';
import { keyVerdict, unknownKey } from '../domain/volume-keys.ts';
import type { SnapshotLook } from './ports/restore-volumes.ts';

/** What a restore asks of keys. */
interface PlannedKeys {
  readonly request: RestoreRequest;
  readonly manifest: Pick<Manifest, 'deployment'>;
  /** ARNs of the KMS keys that the stage's roles may use on volumes. */
  readonly keys: readonly string[];
}

interface KeptSnapshot {
  /** Its id; null for an empty volume. */
  readonly snapshot: string | null;
  readonly look: SnapshotLook | null;
}

/** @throws VolumeKeyUnavailable for a key that was asked for and that nobody may use: its volume would not come up */
export function requireGranted({ request, manifest, keys }: PlannedKeys): void {
  const key = request.volume?.kmsKey;
  if (key !== undefined && !keys.includes(key))
    throw notGranted(`volume.kmsKey is ${key}`, key, manifest, ', or leave volume.kmsKey out');
}

/**
 * @returns for people: a key of which nobody can tell whether it may be used
 * @throws VolumeKeyUnavailable for a kept snapshot with one that may not
 */
export function noteOfKey({ snapshot, look }: KeptSnapshot, { manifest, keys }: PlannedKeys): readonly string[] {
  if (snapshot === null || look === null || look.kmsKey === null) return [];
  const verdict = keyVerdict(look.kmsKey, keys, look.account);
  if (verdict === 'refused')
    throw notGranted(`${snapshot} is encrypted with ${look.kmsKey}`, look.kmsKey, manifest, '');
  return verdict === 'usable' ? [] : [`${snapshot} ${unknownKey(look.kmsKey)}`];
}

function notGranted(
  what: string,
  key: string,
  { deployment }: PlannedKeys['manifest'],
  otherwise: string,
): HoldfastError {
  return new HoldfastError('VolumeKeyUnavailable', `${what}, and the roles of the stage may not use that key.`, {
    next: `Add ${key} to ebs.kmsKeys of deployments.${deployment} in the config and deploy the stack again${otherwise}.`,
  });
}

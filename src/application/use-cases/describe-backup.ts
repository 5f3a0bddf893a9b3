import { HoldfastError } from '../../domain/errors.ts';
import type { Manifest } from '../../domain/manifest.ts';
import { backupIdPattern } from '../../domain/names.ts';
import { type CatalogDeps, findBackup } from '../catalog.ts';

/** @throws UnknownBackup, UnsupportedFormat, VerificationFailed (a manifest that was changed) */
export async function describeBackup(backupId: string, deps: CatalogDeps): Promise<Manifest> {
  if (!backupIdPattern.test(backupId))
    throw new HoldfastError('UnknownBackup', `"${backupId}" is not the id of a backup`);
  return (await findBackup(backupId, undefined, deps)).manifest;
}

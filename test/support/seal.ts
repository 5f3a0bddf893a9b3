import { sha256Hex } from '../../src/application/documents.ts';
import type { Manifest } from '../../src/domain/manifest.ts';
import { sealManifest, type UnsealedManifest } from '../../src/domain/manifest-seal.ts';

/** A manifest that was made without one, with the hash that a run gives it. */
export function seal(manifest: Manifest): Manifest {
  const content = Object.entries(manifest).filter(([name]) => name !== 'sha256');
  return sealManifest(Object.fromEntries(content) as unknown as UnsealedManifest, sha256Hex);
}

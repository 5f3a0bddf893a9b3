import { canonicalJson } from './canonical-json.ts';
import { HoldfastError } from './errors.ts';
import { type Manifest, manifestSchema } from './manifest.ts';
import { partObjects } from './manifest-parts.ts';
import { artifactKeys } from './names.ts';

/** SHA-256 of a text's UTF-8, 64 lower hex digits; given by the caller: the domain imports no Node module. */
export type Sha256 = (text: string) => string;

export type UnsealedManifest = Omit<Manifest, 'sha256'>;

/** The newest format of manifests that this release reads. */
const schemaVersion = 1;

/** Adds the hash over everything else: what tells a changed manifest from the one that was written. */
export function sealManifest(content: UnsealedManifest, sha256: Sha256): Manifest {
  return { ...content, sha256: sha256(canonicalJson(content)) };
}

function parseJson(text: string, where: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new HoldfastError('VerificationFailed', `${where} is no JSON.`, { cause: error });
  }
}

/** What a manifest names outside of its own parts: a restore would read it, and a removal would remove it. */
function foreignName({ deployment, backupId, parts }: Manifest): string | undefined {
  const names = new Set<string>();
  for (const part of parts) {
    const { name } = part;
    if (name.includes('/') || names.has(name)) return `the part ${JSON.stringify(name)}`;
    names.add(name);
    const prefix = artifactKeys.part(deployment, backupId, name);
    const foreign = partObjects(part).find(({ key }) => !key.startsWith(prefix));
    if (foreign) return `the object ${JSON.stringify(foreign.key)}`;
  }
  return undefined;
}

/**
 * Reads a manifest and proves that nobody changed it.
 * @param where its key, for messages.
 * @throws UnsupportedFormat (written by a newer release), VerificationFailed (no manifest, not as it was written, or of more
 *   than its own backup)
 */
export function parseManifest(text: string, where: string, sha256: Sha256): Manifest {
  const value = parseJson(text, where);
  const version =
    typeof value === 'object' && value !== null ? (value as { schemaVersion?: unknown }).schemaVersion : undefined;
  if (typeof version === 'number' && version > schemaVersion) {
    throw new HoldfastError(
      'UnsupportedFormat',
      `${where} has format version ${version}; this release reads up to ${schemaVersion}.`,
    );
  }
  const parsed = manifestSchema.safeParse(value);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw new HoldfastError(
      'VerificationFailed',
      `${where} is no manifest: ${issue?.path.join('.') ?? ''}: ${issue?.message ?? ''}.`,
    );
  }
  const { sha256: sealed, ...content } = parsed.data;
  if (sha256(canonicalJson(content)) !== sealed) {
    throw new HoldfastError('VerificationFailed', `${where} was changed after it was written: its SHA-256 differs.`);
  }
  const foreign = foreignName(parsed.data);
  if (foreign !== undefined)
    throw new HoldfastError('VerificationFailed', `${where} names ${foreign}, which is not of this backup.`);
  return parsed.data;
}

import { createHash } from 'node:crypto';
import { crc32, zstdCompressSync } from 'node:zlib';
import type { ObjectStore } from '../../src/application/ports/object-store.ts';
import type { IndexLine } from '../../src/domain/backup-index.ts';
import type { Manifest, ManifestPart } from '../../src/domain/manifest.ts';
import type { LogicalPart } from '../../src/domain/manifest-parts.ts';
import { artifactKeys } from '../../src/domain/names.ts';
import { onlyPart } from './take-backup.ts';
import { readIndex } from '../../src/engine/packs/index-reader.ts';

const replacePart = (manifest: Manifest, part: ManifestPart): Manifest => ({ ...manifest, parts: [part] });

/** The base of `late`, as if it had been read at the end of a long dump that began with `early`: the oplog is `early`'s. */
export function withBaseOf(early: Manifest, late: Manifest): Manifest {
  const [a, b] = [onlyPart(early), onlyPart(late)];
  const { captureFrom, applyFrom } = a.base;
  return {
    ...replacePart(late, { ...b, base: { ...b.base, captureFrom, applyFrom }, oplog: a.oplog }),
    restoreTime: early.restoreTime,
  };
}

/** A base of which some namespaces were read when `early` was, the others when `late` was. */
export async function mixBases(
  store: ObjectStore,
  early: Manifest,
  late: Manifest,
  fromLate: (ns: string) => boolean,
): Promise<Manifest> {
  const parts = [onlyPart(early), onlyPart(late)] as const;
  const backupId = '20261122T101530Z-logical-mixd';
  const partPrefix = artifactKeys.part(early.deployment, backupId, parts[0].name);
  const lines: IndexLine[] = [
    { kind: 'header', schemaVersion: 1, backupId, part: parts[0].name, codec: parts[0].base.codec },
  ];
  const packs: LogicalPart['base']['packs'] = [];
  for (const [n, part] of parts.entries()) {
    const taken = (ns: string) => fromLate(ns) === (n === 1);
    const index = await readIndex(store, part.base.index);
    for (const pack of index.packs.values()) {
      const name = `${n}${pack.pack}`;
      const key = artifactKeys.pack(partPrefix, name);
      const stored = artifactKeys.pack(artifactKeys.part(early.deployment, index.backupId, part.name), pack.pack);
      const { body } = await store.get(stored);
      await store.put(key, body);
      lines.push({ ...pack, pack: name });
      packs.push({ key, size: pack.size, crc32: pack.crc32 });
    }
    for (const namespace of index.namespaces) if (taken(namespace.ns)) lines.push(namespace);
    for (const frame of index.frames) if (taken(frame.ns)) lines.push({ ...frame, pack: `${n}${frame.pack}` });
  }
  const body = zstdCompressSync(lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
  const key = artifactKeys.index(partPrefix);
  await store.put(key, body);
  const index = {
    key,
    size: body.length,
    crc32: crc32(body).toString(16).padStart(8, '0'),
    sha256: createHash('sha256').update(body).digest('hex'),
  };
  const mixed = withBaseOf(early, late);
  const part = onlyPart(mixed);
  return { ...replacePart(mixed, { ...part, base: { ...part.base, packs, index } }), backupId };
}

import { cp, mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { DirectoryObjectStore } from '../../src/adapters/directory/directory-object-store.ts';
import { MemoryObjectStore } from '../../src/adapters/memory/memory-object-store.ts';
import { isPhysicalPart } from '../../src/domain/manifest-parts.ts';
import type { Manifest } from '../../src/domain/manifest.ts';
import { artifactKeys } from '../../src/domain/names.ts';
import type { Settings } from '../../src/domain/settings.ts';
import { readFileIndex } from '../../src/engine/packs/file-index.ts';
import { layFiles } from '../../src/engine/recover/lay-files.ts';
import { type DeploymentState, findDifferences, readDeploymentState } from './deployment-hashes.ts';
import { storagePath } from './embedded-set.ts';
import { lookAt, restoreToVolume } from './recovered-files.ts';

interface World {
  readonly settings: Settings;
  /** Of a physical backup. */
  readonly manifest: Manifest;
  /** The source at its restore time. */
  readonly expected: DeploymentState;
  readonly directory: string;
  readonly layoutOptions: string[];
}

/** Puts the files of a physical base on a volume, as a snapshot of the member's has them. @returns the backup, kept as one */
async function layOnVolume(
  { settings, manifest }: World,
  store: DirectoryObjectStore,
  data: string,
): Promise<Manifest> {
  const [part] = manifest.parts;
  if (!part || !isPhysicalPart(part)) throw new Error(`a physical part was expected in ${storagePath(settings)}`);
  await mkdir(data, { recursive: true });
  const index = await readFileIndex(store, part.base.index);
  const prefix = artifactKeys.part('orders', manifest.backupId, part.name);
  const packs = { store, codec: index.codec, keyOf: (pack: string) => artifactKeys.pack(prefix, pack) };
  const { signal } = new AbortController();
  await layFiles({ directory: data, index, packs, parallel: 2 }, { signal, onLaid: () => undefined });
  const { member, snapshot, layout, rawBytes, captureFrom, applyFrom, startedAt, finishedAt } = part.base;
  const base = {
    ...({ schemaVersion: 1, method: 'snapshot' } as const),
    ...{ member, snapshot, layout, rawBytes, captureFrom, applyFrom, startedAt, finishedAt },
  };
  return { ...manifest, method: 'snapshot', parts: [{ ...part, base }] };
}

export function testRecoveryInPlace(world: () => World): void {
  test('are recovered where they lie on a volume that was made from a snapshot of them', async () => {
    const { settings, manifest, expected, directory, layoutOptions } = world();
    const mountPoint = join(directory, 'volume');
    const data = join(mountPoint, 'mongodb', 'data');
    const store = new DirectoryObjectStore({ root: storagePath(settings), description: 'storage' });
    const kept = await layOnVolume(world(), store, data);
    await expect(restoreToVolume(store, kept, mountPoint)).rejects.toMatchObject({ name: 'RecoveryFailed' });
    const result = await restoreToVolume(store, kept, mountPoint, { dataPath: 'mongodb/data' });
    expect(result).toMatchObject({
      ...{ restoreTime: manifest.restoreTime, attempt: 1, files: { kind: 'replicaSet', layout: layoutOptions } },
      warnings: [expect.stringContaining('not every block read')],
    });
    expect(await readFile(join(data, 'HOLDFAST_INCOMPLETE'), 'utf8').catch(() => '')).toBe('');
    expect(findDifferences(expected, await lookAt(data, readDeploymentState, layoutOptions))).toEqual([]);
  });
}

/** As EBS makes a volume of a standalone's snapshot; all of it is read where its blocks are loaded anyway. @returns its place */
export async function standaloneOnVolume(manifest: Manifest, root: string): Promise<string> {
  const volume = join(root, 'volume');
  const base = manifest.parts[0]?.base;
  await cp(base?.method === 'snapshot' ? (base.snapshot.snapshots[0]?.id ?? '') : '', volume, { recursive: true });
  const made = await restoreToVolume(new MemoryObjectStore(), manifest, volume, { initialization: 'fast' });
  expect(made).toMatchObject({ restoreTime: null, warnings: [], files: { kind: 'standalone', layout: [] } });
  return volume;
}

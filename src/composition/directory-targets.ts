import { realpath } from 'node:fs/promises';
import { hostname } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { sha256Hex } from '../application/documents.ts';
import type { ScratchServers } from '../application/ports/scratch-servers.ts';
import type { DirectoryTargets } from '../application/restore-target.ts';
import { isSnapshotPart } from '../domain/manifest-parts.ts';
import { checkKeptSnapshot } from '../engine/recover/kept-snapshot.ts';
import { checkDirectoryRestore } from '../engine/recover/restore-directory.ts';
import { removeDirectoryMark } from '../engine/recover/target-directory.ts';
import { localSnapshotRoot } from './snapshot-root.ts';

/** The same for every path that leads to it, also before it is there. */
async function digestOf(directory: string): Promise<string> {
  const real = await realpath(directory).catch(async () => {
    const parent = dirname(directory);
    return join(await realpath(parent).catch(() => parent), basename(directory));
  });
  return sha256Hex(`directory\n${hostname()}\n${real}`);
}

/** Directories of this machine. */
export function makeDirectoryTargets(scratch: ScratchServers): DirectoryTargets {
  return {
    async check(request) {
      await checkDirectoryRestore(request, { scratch, snapshotRoot: localSnapshotRoot });
      return digestOf(request.directory);
    },
    async checkFiles({ serverVersion }, part) {
      await scratch.find(serverVersion);
      if (isSnapshotPart(part)) await checkKeptSnapshot(part, localSnapshotRoot(part.base.snapshot));
    },
    unmark: removeDirectoryMark,
  };
}

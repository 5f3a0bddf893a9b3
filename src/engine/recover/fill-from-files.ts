import { type FilesPart, isSnapshotPart, type PhysicalPart } from '../../domain/manifest-parts.ts';
import { artifactKeys } from '../../domain/names.ts';
import { readFileIndex } from '../packs/file-index.ts';
import { checkIndexAgainstManifest } from '../restore/check-artifacts.ts';
import type { RestoreProgress } from '../restore/restore-part.ts';
import { readLayout } from './data-directory-layout.ts';
import { type DirectoryRestoreDeps, type Filled, type FillInput, noProgress } from './directory-restore.ts';
import { laySnapshot } from './kept-snapshot.ts';
import { layFiles } from './lay-files.ts';
import { recoverFiles } from './recover-files.ts';
import { writeDirectoryMark } from './target-directory.ts';
import { describeUnfinished } from './unfinished-indexes.ts';

type FillFromFiles = FillInput<FilesPart>;

/**
 * Lays the files of a physical base or of a kept snapshot and recovers them to the restore time. A standalone's have no
 * oplog: what they hold is what any start of them brings back from their journal.
 */
export async function fillFromFiles(input: FillFromFiles, deps: DirectoryRestoreDeps): Promise<Filled> {
  const { directory, of: part, runId, restoreTime } = input;
  const { store, clock } = deps;
  const slices = [...(part.oplog?.slices ?? []).map((slice) => ({ store, slice })), ...(input.archived ?? [])];
  const totals: RestoreProgress = {
    ...noProgress,
    totalBytes: part.base.rawBytes,
    totalEntries: slices.reduce((sum, { slice }) => sum + slice.entries, 0),
  };
  const mark = (state: 'recovering' | 'finishing') =>
    writeDirectoryMark(directory, { run: runId, state, at: clock.now().toISOString() });
  const from = performance.now();
  if (input.inPlace !== true) await lay(input, deps, totals);
  const load = (performance.now() - from) / 1000;
  const layout = await readLayout(directory);
  if (restoreTime === null) {
    await mark('finishing');
    return { layout, warnings: [], oplog: { entries: 0, applied: 0, skipped: 0 }, seconds: { load } };
  }
  await mark('recovering');
  const { appended, applied, unfinished, uncounted, seconds } = await recoverFiles(
    { directory, restoreTime, slices, serverVersion: input.manifest.serverVersion },
    {
      ...deps,
      onAppended: (entries) => {
        deps.onProgress({ ...totals, phase: 'replay', rawBytes: totals.totalBytes, entries });
      },
    },
  );
  await mark('finishing');
  const oplog = { entries: appended, applied, skipped: 0 };
  return { layout, oplog, warnings: describeUnfinished(unfinished), uncounted, seconds: { load, ...seconds } };
}

async function lay(input: FillFromFiles, deps: DirectoryRestoreDeps, totals: RestoreProgress): Promise<void> {
  const { directory, of: part } = input;
  const { signal, onProgress } = deps;
  const onLaid = (rawBytes: number): void => {
    onProgress({ ...totals, phase: 'load', rawBytes });
  };
  if (!isSnapshotPart(part)) return layPacks({ ...input, of: part }, deps, onLaid);
  const root = deps.snapshotRoot(part.base.snapshot);
  await laySnapshot(part, { root, directory }, { signal, onCopied: onLaid });
}

async function layPacks(
  { directory, of: part, manifest, parallel }: FillInput<PhysicalPart>,
  { store, signal }: DirectoryRestoreDeps,
  onLaid: (bytes: number) => void,
): Promise<void> {
  const index = await readFileIndex(store, part.base.index);
  checkIndexAgainstManifest(index, manifest, part);
  const partPrefix = artifactKeys.part(manifest.deployment, manifest.backupId, part.name);
  const packs = { store, codec: index.codec, keyOf: (pack: string) => artifactKeys.pack(partPrefix, pack) };
  await layFiles({ directory, index, packs, parallel }, { signal, onLaid });
}

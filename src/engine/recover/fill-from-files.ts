import type { PhysicalPart } from '../../domain/manifest-parts.ts';
import { artifactKeys } from '../../domain/names.ts';
import { readFileIndex } from '../packs/file-index.ts';
import { checkIndexAgainstManifest } from '../restore/check-artifacts.ts';
import { readLayout } from './data-directory-layout.ts';
import { layFiles } from './lay-files.ts';
import { recoverFiles } from './recover-files.ts';
import { type DirectoryRestoreDeps, type Filled, type FillInput, noProgress } from './directory-restore.ts';
import { writeDirectoryMark } from './target-directory.ts';

/** Lays the files of a physical base and recovers them to the restore time. */
export async function fillFromFiles(
  { directory, of: part, manifest, parallel, restoreTime, runId, archived = [] }: FillInput<PhysicalPart>,
  deps: DirectoryRestoreDeps,
): Promise<Filled> {
  const { store, signal, onProgress, clock } = deps;
  const { deployment, backupId, serverVersion } = manifest;
  const index = await readFileIndex(store, part.base.index);
  checkIndexAgainstManifest(index, manifest, part);
  const partPrefix = artifactKeys.part(deployment, backupId, part.name);
  const packs = { store, codec: index.codec, keyOf: (pack: string) => artifactKeys.pack(partPrefix, pack) };
  const slices = [...part.oplog.slices.map((slice) => ({ store, slice })), ...archived];
  const totalEntries = slices.reduce((sum, { slice }) => sum + slice.entries, 0);
  const totals = { totalBytes: part.base.rawBytes, totalEntries };
  const from = performance.now();
  await layFiles(
    { directory, index, packs, parallel },
    {
      signal,
      onLaid: (rawBytes) => {
        onProgress({ ...noProgress, ...totals, phase: 'load', rawBytes });
      },
    },
  );
  const load = (performance.now() - from) / 1000;
  await writeDirectoryMark(directory, { run: runId, state: 'recovering', at: clock.now().toISOString() });
  const recovered = await recoverFiles(
    { directory, restoreTime, slices, serverVersion },
    {
      ...deps,
      onAppended: (entries) => {
        onProgress({ ...noProgress, ...totals, phase: 'replay', rawBytes: totals.totalBytes, entries });
      },
    },
  );
  await writeDirectoryMark(directory, { run: runId, state: 'finishing', at: clock.now().toISOString() });
  const { append, replay } = recovered.seconds;
  return {
    oplog: { entries: recovered.appended, applied: recovered.applied, skipped: 0 },
    layout: await readLayout(directory),
    seconds: { load, append, replay },
    warnings: [],
  };
}

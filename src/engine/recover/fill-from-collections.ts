import { HoldfastError } from '../../domain/errors.ts';
import type { LogicalPart } from '../../domain/manifest-parts.ts';
import { removeMark } from '../restore/restore-mark.ts';
import { restorePart } from '../restore/restore-part.ts';
import { type DirectoryRestoreDeps, type Filled, type FillInput } from './directory-restore.ts';
import { withScratchServer } from './scratch-session.ts';
import { writeDirectoryMark } from './target-directory.ts';

/** Loads a logical base into a new mongod on the directory, as into any running server. */
export async function fillFromCollections(
  { directory, manifest, part, parallel, restoreTime, runId, archived }: FillInput<LogicalPart>,
  deps: DirectoryRestoreDeps,
): Promise<Filled> {
  const { scratch, signal, clock } = deps;
  if (restoreTime === null) throw new HoldfastError('Internal', `the part ${part} was to be restored to no time`);
  await writeDirectoryMark(directory, { run: runId, state: 'loading', at: clock.now().toISOString() });
  const place = { scratch, directory, serverVersion: manifest.serverVersion, signal, layout: [] };
  const { oplog, seconds, warnings } = await withScratchServer(place, {}, async ({ client }) => {
    const input = { runId, manifest, part, restoreTime, archived, parallel, users: true, keepExpired: false };
    const result = await restorePart(input, { ...deps, client });
    await removeMark(client, runId);
    return result;
  });
  await writeDirectoryMark(directory, { run: runId, state: 'finishing', at: clock.now().toISOString() });
  return { oplog, layout: [], seconds, warnings };
}

import { setTimeout as delay } from 'node:timers/promises';
import type { ScratchServers } from '../../application/ports/scratch-servers.ts';
import type { ObjectStore } from '../../application/ports/object-store.ts';
import type { SliceSummary } from '../../domain/base.ts';
import type { Manifest } from '../../domain/manifest.ts';
import { type FilesPart, isSnapshotPart, requireReachable } from '../../domain/manifest-parts.ts';
import { artifactKeys } from '../../domain/names.ts';
import type { RestoreResult } from '../../domain/restore-result.ts';
import type { Timestamp } from '../../domain/timestamp.ts';
import type { DumpPartResult } from '../dump/dump-part.ts';
import { dumpPart } from '../dump/dump-part.ts';
import { captureTo } from '../oplog/capture-to.ts';
import { readChain } from '../oplog/read-chain.ts';
import { checkArtifacts } from '../restore/check-artifacts.ts';
import { checkTarget } from '../restore/check-target.ts';
import { readLoaded } from '../restore/restore-mark.ts';
import { type RestorePartDeps, type RestorePartInput, restorePart } from '../restore/restore-part.ts';
import type { Filled, FillInput, SnapshotRoot } from './directory-restore.ts';
import { fillFromFiles } from './fill-from-files.ts';
import { checkKeptSnapshot } from './kept-snapshot.ts';
import { setName, withNewSet, withOnlyMember } from './only-member.ts';
import { scratchPlace } from './recover-files.ts';
import type { ScratchSession } from './scratch-session.ts';
import { requireInPlace } from './restore-directory.ts';
import { claimDirectory, neededBytes, recoveryBytes } from './target-directory.ts';
import { describeUnfinished } from './unfinished-indexes.ts';
import type { Workplace } from './workplace.ts';

export interface LoadFromFilesDeps extends RestorePartDeps {
  readonly scratch: ScratchServers;
  readonly snapshotRoot: SnapshotRoot;
  readonly openWorkplace: () => Promise<Workplace>;
}

export interface LoadFromFilesInput extends Omit<RestorePartInput, 'restoreTime'> {
  readonly of: FilesPart;
  /** Null for a standalone's snapshot, which is of its own time. */
  readonly restoreTime: Timestamp | null;
}

/**
 * Restores a physical base or a kept snapshot to a running server: the files are laid, or are there already, and are recovered on this machine, served on loopback,
 * read as any member is, and loaded into the target as any logical base. What is read stands still at the restore time.
 * @throws what restoreDirectory and restorePart throw
 */
export async function loadFromFiles(input: LoadFromFilesInput, deps: LoadFromFilesDeps): Promise<RestoreResult> {
  const done = await readLoaded(deps.client, input.runId);
  if (done?.part === input.part) return done;
  const { of, restoreTime, manifest } = input;
  requireReachable(of, restoreTime, manifest.backupId);
  await checkTarget(deps.client, input);
  const workplace = await deps.openWorkplace();
  try {
    if (isSnapshotPart(of) && !workplace.inPlace) await checkKeptSnapshot(of, deps.snapshotRoot(of.base.snapshot));
    await checkArtifacts(deps.store, of, deps.signal);
    return await load(input, deps, workplace);
  } finally {
    await workplace.remove();
  }
}

async function load(
  input: LoadFromFilesInput,
  deps: LoadFromFilesDeps,
  { directory, inPlace, store }: Workplace,
): Promise<RestoreResult> {
  const { of, runId, manifest } = input;
  if (inPlace) await requireInPlace(directory, recoveryBytes(of, input.archived));
  // The files once, and once more as collections.
  else await claimDirectory({ directory, runId, bytes: 2 * neededBytes(of, input.archived) }, deps.clock.now());
  const fill: FillInput<FilesPart> = { ...input, directory, inPlace };
  const filled = await fillFromFiles(fill, deps);
  const place = await scratchPlace({ directory, serverVersion: manifest.serverVersion }, deps);
  const from = performance.now();
  const serve = of.oplog === null ? withNewSet : withOnlyMember;
  const { served, unfinished } = await serve(place, async (session, dropped) => ({
    served: await readCollections(session, input, store, deps),
    unfinished: describeUnfinished(dropped),
  }));
  const dump = (performance.now() - from) / 1000;
  // Nothing was written since the files were recovered: its own restore time is as good as ours.
  const { restoreTime } = served;
  const result = await restorePart(
    { ...input, manifest: served.manifest, archived: [], restoreTime },
    { ...deps, store },
  );
  return asOfFiles(result, input, { ...filled, warnings: [...filled.warnings, ...unfinished] }, dump);
}

function asOfFiles(
  result: RestoreResult,
  { restoreTime }: LoadFromFilesInput,
  { oplog, seconds, warnings }: Filled,
  dump: number,
): RestoreResult {
  return {
    ...result,
    restoreTime,
    oplog,
    seconds: { ...result.seconds, recover: Object.values(seconds).reduce((sum, each) => sum + each, 0), dump },
    warnings: [...warnings, ...result.warnings],
  };
}

/** A logical base of the served files. */
async function readCollections(
  { server, client }: ScratchSession,
  { manifest, of, runId, parallel }: LoadFromFilesInput,
  store: ObjectStore,
  { clock, logger, signal, onProgress }: LoadFromFilesDeps,
): Promise<{ readonly manifest: Manifest; readonly restoreTime: Timestamp }> {
  const { deployment, backupId, toolVersion } = manifest;
  const partPrefix = artifactKeys.part(deployment, backupId, of.name);
  const common = { runId, fence: 1, member: server.host, replicaSet: setName };
  const source = { client, store, signal, checkFence: () => Promise.resolve() };
  const dump = await dumpPart(
    {
      ...{ ...common, backupId, deployment, part: of.name, partPrefix, attempt: 1 },
      ...{ codec: 'zstd', level: 1, parallel, replicaSetId: '', toolVersion },
    },
    {
      ...{ ...source, clock, logger },
      onProgress: ({ documents, rawBytes, totalBytes }) => {
        onProgress({ phase: 'check', documents, rawBytes, totalBytes: totalBytes ?? 0, entries: 0, totalEntries: 0 });
      },
    },
  );
  const slices = await captureRest(dump, { ...common, oplogPrefix: artifactKeys.oplog(partPrefix) }, source);
  const { base, point } = dump;
  const oplog = { from: base.captureFrom, to: slices.at(-1)?.to ?? point, slices };
  const part = { ...of, base, point, oplog };
  return { manifest: { ...manifest, parts: [part] }, restoreTime: point.ts };
}

type CaptureInput = Pick<Parameters<typeof captureTo>[0], 'runId' | 'fence' | 'member' | 'replicaSet' | 'oplogPrefix'>;

/** Up to the base's own point: the only member of a set is its majority, but not at the same instant. */
async function captureRest(
  { base, point }: DumpPartResult,
  input: CaptureInput,
  source: Parameters<typeof captureTo>[1],
): Promise<SliceSummary[]> {
  const { captureFrom: from, applyFrom } = base;
  for (;;) {
    const { reached } = await captureTo({ ...input, from, applyFrom, point, restoreTime: point.ts }, source);
    if (reached) return readChain(source.store, input.oplogPrefix, from);
    await delay(50, undefined, { signal: source.signal });
  }
}

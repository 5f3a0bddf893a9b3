import { createDocument, findDocument, readDocument } from '../src/application/documents.ts';
import { readBackupPlan, readConfig, storageOf } from '../src/application/run-folder.ts';
import type { WorkerDeps } from '../src/composition/compose-worker.ts';
import { type PhysicalBase, physicalBaseSchema } from '../src/domain/base.ts';
import type { DataLayout } from '../src/domain/data-layout.ts';
import { HoldfastError } from '../src/domain/errors.ts';
import { artifactKeys, stateKeys } from '../src/domain/names.ts';
import type { BackupPlan } from '../src/domain/run.ts';
import { type MemberSnapshot, memberSnapshotSchema, type WorkerTask } from '../src/domain/run-documents.ts';
import { snapshotFacts } from '../src/domain/snapshot-facts.ts';
import { copyFiles } from '../src/engine/copy/copy-files.ts';
import { readMountedVolume } from '../src/engine/copy/mounted-volume.ts';
import { ProgressFile } from './progress-file.ts';
import { requireStillWanted } from './still-wanted.ts';
import type { TaskWatch } from './watch-task.ts';

export interface CopyFilesTaskOutput {
  readonly part: string;
  readonly attempt: number;
  readonly files: number;
  readonly storedBytes: number;
}

/** Copies the files of one part's snapshot into packs. A base that an earlier worker completed is kept: its answer got lost, not its work. */
export async function runCopyFilesTask(
  task: WorkerTask,
  deps: WorkerDeps,
  watch: Pick<TaskWatch, 'signal' | 'reached'>,
): Promise<CopyFilesTaskOutput> {
  const { runId, part } = task;
  const { state } = deps;
  const plan = await readBackupPlan(state, runId);
  const key = stateKeys.base(runId, part);
  let base = await findDocument(state, key, physicalBaseSchema);
  if (base === undefined) {
    base = await copy(task, plan, deps, watch);
    await requireStillWanted(task, plan, state);
    if (!(await createDocument(state, key, base))) {
      throw new HoldfastError('LeaseLost', `another worker completed the base of ${part} first`);
    }
  }
  return { part, attempt: base.attempt, files: base.files, storedBytes: base.storedBytes };
}

/** On AWS nobody could look into the snapshot before this worker had a volume made from it. */
async function lookIntoVolume({ member, start, ...known }: MemberSnapshot, deps: WorkerDeps): Promise<DataLayout> {
  const facts = snapshotFacts({ member, start, ...known });
  const { oplogFile } = start;
  const mount = deps.snapshotRoot({ ...facts, dataPath: '' });
  return readMountedVolume({ mount, dataPath: facts.dataPath, member, oplogFile });
}

async function copy(
  { runId, part, attempt, ...task }: WorkerTask,
  plan: BackupPlan,
  deps: WorkerDeps,
  { signal, reached }: Pick<TaskWatch, 'signal' | 'reached'>,
): Promise<PhysicalBase> {
  const { state, clock, logger } = deps;
  const { backupId, codec, level, parallel } = plan;
  const settings = await readConfig(state, runId);
  const known = await readDocument(state, stateKeys.snapshot(runId, part), memberSnapshotSchema);
  const facts = snapshotFacts(known);
  const { captureFrom, applyFrom } = known.start;
  if (captureFrom === null || applyFrom === null) {
    throw new HoldfastError('Internal', `the snapshot of ${part} of run ${runId} cannot be copied`);
  }
  const layout = known.completed?.layout ?? (await lookIntoVolume(known, deps));
  const startedAt = clock.now().toISOString();
  const progress = new ProgressFile({ state, clock, logger, runId, part, interval: deps.progressInterval });
  try {
    const copied = await copyFiles(
      {
        ...{ backupId, part, attempt, codec, level, parallel, member: known.member },
        partPrefix: artifactKeys.part(plan.deployment, backupId, part),
        root: deps.snapshotRoot(facts),
        snapshot: facts.snapshots.map(({ id }) => id).join(','),
      },
      {
        store: deps.openStorage(storageOf(settings, plan.storage)),
        ...{ clock, logger, signal },
        checkFence: () => requireStillWanted({ ...task, runId, part, attempt }, plan, state),
        checkpoints: { store: state, prefix: stateKeys.checkpoints(runId, part) },
        onProgress: (done) => {
          progress.report({ phase: 'copy', documents: 0, ...done });
          reached(done);
        },
      },
    );
    return {
      ...{ schemaVersion: 1, method: 'physical', attempt, member: known.member, codec, layout, snapshot: facts },
      ...copied,
      ...{ captureFrom, applyFrom, startedAt, finishedAt: clock.now().toISOString() },
    };
  } finally {
    await progress.flush();
  }
}

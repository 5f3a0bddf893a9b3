import * as z from 'zod';
import { snapshotBaseSchema, type SnapshotBase } from '../../domain/base.ts';
import { stateKeys } from '../../domain/names.ts';
import { type MemberSnapshot, memberSnapshotSchema } from '../../domain/run-documents.ts';
import { snapshotFacts } from '../../domain/snapshot-facts.ts';
import { type StepDeps, stepSchema } from '../bind.ts';
import { createOrReadDocument, readDocument, writeDocument } from '../documents.ts';
import type { VolumeSnapshots } from '../ports/volume-snapshots.ts';
import { readBackupPlan, refuseWhenCancelled } from '../run-folder.ts';

export const awaitSnapshotInput = stepSchema.extend({ part: z.string().min(1) });

export interface AwaitSnapshotDeps extends StepDeps {
  readonly volumes: VolumeSnapshots;
}

export interface AwaitSnapshotOutput {
  readonly done: boolean;
  /** Seconds until the next look: a share of the time that it took so far, so that hours take few looks. */
  readonly waitSeconds: number;
}

const waitShare = 10;
const [leastWait, mostWait] = [5, 300];

/** One look at the snapshot of a part. When it is whole, a kept one is written down as the part's base. */
export async function awaitSnapshot(
  { runId, part }: z.output<typeof awaitSnapshotInput>,
  deps: AwaitSnapshotDeps,
): Promise<AwaitSnapshotOutput> {
  await refuseWhenCancelled(deps.state, runId);
  const plan = await readBackupPlan(deps.state, runId);
  const key = stateKeys.snapshot(runId, part);
  let snapshot = await readDocument(deps.state, key, memberSnapshotSchema);
  if (snapshot.completed === null) {
    const { state, layout, snapshots } = await deps.volumes.look({ runId, part }, snapshot.taken);
    const now = deps.clock.now();
    if (state === 'pending') return { done: false, waitSeconds: waitFor(snapshot, now) };
    snapshot = { ...snapshot, completed: { at: now.toISOString(), layout, snapshots } };
    await writeDocument(deps.state, key, snapshot);
  }
  if (plan.parts.find(({ name }) => name === part)?.method === 'snapshot') {
    await createOrReadDocument(deps.state, stateKeys.base(runId, part), snapshotBaseSchema, baseOf(snapshot));
  }
  return { done: true, waitSeconds: leastWait };
}

function waitFor({ taken }: MemberSnapshot, now: Date): number {
  const elapsed = (now.getTime() - Date.parse(taken.takenAt)) / 1000;
  return Math.min(mostWait, Math.max(leastWait, Math.ceil(elapsed / waitShare)));
}

function baseOf(snapshot: MemberSnapshot): SnapshotBase {
  const { member, start, completed } = snapshot;
  const facts = snapshotFacts(snapshot);
  return {
    schemaVersion: 1,
    method: 'snapshot',
    member,
    snapshot: facts,
    layout: completed?.layout ?? null,
    rawBytes: facts.snapshots.reduce((sum, { bytes }) => sum + (bytes ?? 0), 0),
    captureFrom: start.captureFrom,
    applyFrom: start.applyFrom,
    startedAt: start.at,
    finishedAt: facts.completedAt,
  };
}

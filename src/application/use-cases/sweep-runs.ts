import { HoldfastError, isHoldfastError } from '../../domain/errors.ts';
import { failureRecord } from '../../domain/failure.ts';
import { isArchiveLease, stateKeys } from '../../domain/names.ts';
import { makeOutcome } from '../../domain/outcome.ts';
import { type Outcome, runIdPattern } from '../../domain/run.ts';
import { type sweepMetrics, sweptMessage } from '../../domain/sweep-metrics.ts';
import { decideEnd } from '../decide-end.ts';
import { readLease } from '../leases.ts';
import { listLocks } from '../release-locks.ts';
import type { KeptSnapshotsDeps } from '../kept-snapshots.ts';
import type { Executions } from '../ports/executions.ts';
import type { WorkerLauncher } from '../ports/worker-launcher.ts';
import { isCancelRequested } from '../run-folder.ts';
import { sweepCollections } from '../restore-collections.ts';
import { markSettled, requireObjectsOfRun, type SettleDeps, settleRun } from '../settle-run.ts';
import { sweepVolumes } from '../settle-volumes.ts';
import { sweepSnapshots } from '../sweep-snapshots.ts';
import { publishOutcome, type PublishOutcomeDeps } from './publish-outcome.ts';
import { releaseLeaseOf } from './release-lease.ts';

/** How long a completed restore's target is looked for to take its mark off: one day. */
const targetGoneMs = 24 * 60 * 60 * 1000;

export interface SweepDeps extends SettleDeps, PublishOutcomeDeps {
  readonly volumes: SettleDeps['volumes'] & KeptSnapshotsDeps['volumes'];
  readonly executions: Executions;
  readonly launcher: WorkerLauncher;
}

export interface SweepResult extends Readonly<Record<keyof typeof sweepMetrics, readonly string[]>> {
  /** Runs whose workflow had ended without settling them. */
  readonly settledRuns: readonly string[];
  readonly releasedLeases: readonly string[];
  /** Volumes of workers of runs that were over. */
  readonly settledVolumes: readonly string[];
  /** Snapshots of runs that were over: `run part`. */
  readonly deletedSnapshots: readonly string[];
  /** What could not be swept now, and why; the next sweep tries again. */
  readonly problems: readonly string[];
}

/**
 * Finishes what runs left whose workflow is over: a completed backup's manifest is written, a completed restore's target
 * loses its mark, any other backup loses what it wrote; leases of runs that are over are released. One run that can't be
 * swept does not keep the others.
 */
export async function sweepRuns(deps: SweepDeps): Promise<SweepResult> {
  const settledRuns: string[] = [];
  const problems: string[] = [];
  const { unsettled, left } = await lookAtRuns(deps);
  for (const runId of unsettled) {
    try {
      if (await deps.executions.isRunning(runId)) continue;
      // Since the list was made it may have ended, and left nothing to do.
      if ((await deps.state.head(stateKeys.settled(runId))) !== undefined) continue;
      await settleDeadRun(runId, deps);
      settledRuns.push(runId);
    } catch (error) {
      problems.push(`run ${runId}: ${String(error)}`);
    }
  }
  for (const runId of left)
    await sweepCollections(runId, deps).catch((error: unknown) => {
      problems.push(`collections of run ${runId}: ${String(error)}`);
    });
  await sweepLocks(deps, problems);
  const releasedLeases = await releaseDeadLeases(deps, problems);
  const swept = { settledRuns, releasedLeases, ...(await sweepLeftovers(deps, problems)), problems };
  const counts = Object.fromEntries(Object.entries(swept).map(([name, { length }]) => [name, length]));
  if (Object.values(counts).some((count) => count > 0)) deps.logger.warn(sweptMessage, { ...swept, counts });
  return swept;
}

/** Runs that are not settled, and those that are, or will be, but for collections that could not be deleted. */
async function lookAtRuns(deps: SweepDeps): Promise<{ readonly unsettled: string[]; readonly left: string[] }> {
  const runs = new Set<string>();
  const settled = new Set<string>();
  const left = new Set<string>();
  const swept = new Set<string>();
  for await (const { key, size } of deps.state.list(stateKeys.runs())) {
    const runId = key.slice(stateKeys.runs().length).split('/', 1)[0] ?? '';
    // A journal without its first event is a run that begins this instant, or one that never did anything.
    if (key === stateKeys.journal(runId) && size === 0) continue;
    if (runIdPattern.test(runId)) runs.add(runId);
    if (key === stateKeys.settled(runId)) settled.add(runId);
    if (key === stateKeys.leftCollections(runId)) left.add(runId);
    if (key === stateKeys.sweptCollections(runId)) swept.add(runId);
  }
  return { unsettled: [...runs.difference(settled)], left: [...left.difference(swept)] };
}

/** Wins the outcome for a run that nobody can finish any more, cleans up after it, and tells how it ended. */
export async function settleDeadRun(runId: string, deps: Omit<SweepDeps, 'executions'>): Promise<Outcome> {
  const cancelled = await isCancelRequested(deps.state, runId);
  const error = cancelled
    ? new HoldfastError('Cancelled', 'the run was asked to stop')
    : new HoldfastError('Interrupted', 'the process that ran the workflow is gone');
  const status = cancelled ? 'cancelled' : 'failed';
  const proposed = makeOutcome('sweep', status, deps.clock.now(), failureRecord(error));
  const outcome = await decideEnd(runId, proposed, deps);
  // In this order: a worker that registers itself after the others were stopped finds the outcome before it writes.
  await deps.launcher.stopAll(runId);
  if (outcome.status === 'completed') await requireObjectsOfRun(runId, deps);
  try {
    await settleRun(runId, outcome, deps);
  } catch (error) {
    if (!isTargetGone(error, outcome, deps.clock.now())) throw error;
    deps.logger.warn('the target of a completed restore is gone, or keeps its mark', { runId, reason: String(error) });
    await markSettled(runId, 0, deps);
  }
  await publishOutcome({ runId, state: 'Sweep', retry: 0 }, deps);
  return outcome;
}

/** A target to try a restore on is often thrown away: then nobody looks for it at every start for ever. */
function isTargetGone(error: unknown, outcome: Outcome, now: Date): boolean {
  const out = isHoldfastError(error, 'TargetUnreachable', 'AuthenticationFailed', 'CredentialsUnavailable');
  return out && now.getTime() - new Date(outcome.at).getTime() > targetGoneMs;
}

/**
 * Locks of runs that are over, settled ones as well: on AWS a function may lock a member after its run has ended, and die.
 * Each is logged where it is given back.
 */
async function sweepLocks(deps: SweepDeps, problems: string[]): Promise<void> {
  const noted = (what: string) => (error: unknown) => {
    problems.push(`${what}: ${isHoldfastError(error) ? error.message : String(error)}`);
  };
  const locks = (await listLocks(deps).catch(noted('locks of members'))) ?? [];
  for (const run of new Set(locks.map((lock) => lock.run))) {
    const unlock = async () => {
      if (!(await deps.executions.isRunning(run))) await deps.unlockMembers(run);
    };
    await unlock().catch(noted(`locks of run ${run}`));
  }
}

/** Volumes of workers, and snapshots; what cannot be listed now keeps nothing else from being swept. */
async function sweepLeftovers(
  deps: SweepDeps,
  problems: string[],
): Promise<Pick<SweepResult, 'settledVolumes' | 'deletedSnapshots'>> {
  const all = { ...deps, isRunning: (runId: string) => deps.executions.isRunning(runId) };
  const noted = (what: string) => (error: unknown) => {
    problems.push(`${what}: ${isHoldfastError(error) ? error.message : String(error)}`);
    return undefined;
  };
  const volumes = await sweepVolumes(all).catch(noted('volumes of workers'));
  const snapshots = await sweepSnapshots(all).catch(noted('snapshots'));
  problems.push(...(volumes?.problems ?? []), ...(snapshots?.problems ?? []));
  return { settledVolumes: volumes?.settledVolumes ?? [], deletedSnapshots: snapshots?.deletedSnapshots ?? [] };
}

async function releaseDeadLeases(deps: SweepDeps, problems: string[]): Promise<string[]> {
  const released: string[] = [];
  const keys: string[] = [];
  for await (const { key } of deps.state.list(stateKeys.leases())) if (!isArchiveLease(key)) keys.push(key);
  for (const key of keys) {
    try {
      const lease = (await readLease(deps.state, key))?.lease;
      if (lease === undefined || lease.released === true || (await deps.executions.isRunning(lease.run))) continue;
      if (await releaseLeaseOf(deps.state, key, lease.run)) released.push(key);
    } catch (error) {
      problems.push(`${key}: ${isHoldfastError(error) ? error.message : String(error)}`);
    }
  }
  return released;
}

import { readFileSync } from 'node:fs';
import { bind, bindTurn, type BoundUseCase } from '../src/application/bind.ts';
import { acquireLease, acquireLeaseInput } from '../src/application/use-cases/acquire-lease.ts';
import { awaitSnapshot, awaitSnapshotInput } from '../src/application/use-cases/await-snapshot.ts';
import { captureOplog, captureOplogInput } from '../src/application/use-cases/capture-oplog.ts';
import { completeBackup, completeBackupInput } from '../src/application/use-cases/complete-backup.ts';
import { completeRestore, completeRestoreInput } from '../src/application/use-cases/complete-restore.ts';
import { deleteSnapshot, deleteSnapshotInput } from '../src/application/use-cases/delete-snapshot.ts';
import { archiveOplog, archiveOplogInput } from '../src/application/use-cases/archive-oplog.ts';
import { ensureUnlocked, ensureUnlockedInput } from '../src/application/use-cases/ensure-unlocked.ts';
import { findReplicaSets, findReplicaSetsInput } from '../src/application/use-cases/find-replica-sets.ts';
import { inspectDeployment, inspectDeploymentInput } from '../src/application/use-cases/inspect-deployment.ts';
import { launchWorker, launchWorkerInput } from '../src/application/use-cases/launch-worker.ts';
import { planBackup, planBackupInput } from '../src/application/use-cases/plan-backup.ts';
import { planRestore, planRestoreInput } from '../src/application/use-cases/plan-restore.ts';
import { publishOutcome, publishOutcomeInput } from '../src/application/use-cases/publish-outcome.ts';
import { recordFailure, recordFailureInput } from '../src/application/use-cases/record-failure.ts';
import { releaseLease, releaseLeaseInput } from '../src/application/use-cases/release-lease.ts';
import { snapshotMember, snapshotMemberInput } from '../src/application/use-cases/snapshot-member.ts';
import { startNewBase, startNewBaseInput } from '../src/application/use-cases/start-new-base.ts';
import type { LocalDeps } from '../src/composition/compose-local.ts';
import { asHoldfastError, failureCause } from '../src/domain/failure.ts';
import { HoldfastError } from '../src/domain/errors.ts';
import { type FunctionName, stateMachines, type WorkflowName } from '../statemachines/manifest.ts';
import type { TaskHandler } from './states-language/executions.ts';
import { loadStateMachine } from './states-language/load-state-machine.ts';
import type { StateMachine } from './states-language/state-machine.ts';

/** Every function of the state machines, as the embedded engine calls it. */
export function bindFunctions(deps: LocalDeps): Readonly<Record<FunctionName, BoundUseCase>> {
  return {
    InspectDeployment: bind(inspectDeployment, inspectDeploymentInput)(deps),
    PlanBackup: bind(planBackup, planBackupInput)(deps),
    AcquireLease: bind(acquireLease, acquireLeaseInput)(deps),
    LaunchWorker: bind(launchWorker, launchWorkerInput)(deps),
    SnapshotMember: bind(snapshotMember, snapshotMemberInput)(deps),
    EnsureUnlocked: bind(ensureUnlocked, ensureUnlockedInput)(deps),
    AwaitSnapshot: bind(awaitSnapshot, awaitSnapshotInput)(deps),
    DeleteSnapshot: bind(deleteSnapshot, deleteSnapshotInput)(deps),
    CaptureOplog: bind(captureOplog, captureOplogInput)(deps),
    CompleteBackup: bind(completeBackup, completeBackupInput)(deps),
    PlanRestore: bind(planRestore, planRestoreInput)(deps),
    CompleteRestore: bind(completeRestore, completeRestoreInput)(deps),
    ReleaseLease: bind(releaseLease, releaseLeaseInput)(deps),
    PublishOutcome: bind(publishOutcome, publishOutcomeInput)(deps),
    RecordFailure: bind(recordFailure, recordFailureInput)(deps),
    FindReplicaSets: bindTurn(findReplicaSets, findReplicaSetsInput)(deps),
    ArchiveOplog: bindTurn(archiveOplog, archiveOplogInput)(deps),
    StartNewBase: bindTurn(startNewBase, startNewBaseInput)(deps),
  };
}

/** Reads a state machine of the product for the embedded engine, where a function's name stands for its ARN. */
export function loadWorkflow(workflow: WorkflowName): StateMachine {
  const { file, functions } = stateMachines[workflow];
  const text = readFileSync(new URL(`../statemachines/${file}`, import.meta.url), 'utf8');
  return loadStateMachine(text, Object.fromEntries(functions.map((name) => [name, name])), workflow);
}

/** Calls functions for the embedded engine. What they throw carries its code and next step along, as Lambda's errors do. */
export function makeTaskHandler(bound: Readonly<Record<FunctionName, BoundUseCase>>): TaskHandler {
  return async (functionName, payload, { signal }) => {
    if (!Object.hasOwn(bound, functionName)) {
      throw new HoldfastError('Internal', `no function ${functionName} is bound`);
    }
    try {
      return await bound[functionName as FunctionName](payload, signal);
    } catch (error) {
      const failure = asHoldfastError(error);
      throw new HoldfastError(failure.name, failureCause(failure), { cause: error });
    }
  };
}

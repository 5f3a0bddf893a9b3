import packageJson from '../../package.json' with { type: 'json' };
import { MongoDeploymentInspector } from '../adapters/mongodb/inspect-deployment.ts';
import { LocalScratchServers } from '../adapters/process/local-scratch-servers.ts';
import type { Clock } from '../application/ports/clock.ts';
import type { EventPublisher } from '../application/ports/event-publisher.ts';
import type { Executions } from '../application/ports/executions.ts';
import type { Logger } from '../application/ports/logger.ts';
import type { ObjectStore } from '../application/ports/object-store.ts';
import type { LockWatchdog } from '../application/ports/lock-watchdog.ts';
import type { VolumeSnapshots } from '../application/ports/volume-snapshots.ts';
import type { WorkerLauncher } from '../application/ports/worker-launcher.ts';
import { ensureUnlocked } from '../application/release-locks.ts';
import type { CatalogDeps } from '../application/catalog.ts';
import type { ArchiveOplogDeps } from '../application/archive-turn.ts';
import type { AcquireLeaseDeps } from '../application/use-cases/acquire-lease.ts';
import type { CaptureOplogDeps } from '../application/use-cases/capture-oplog.ts';
import type { CompleteBackupDeps } from '../application/use-cases/complete-backup.ts';
import type { FindReplicaSetsDeps } from '../application/use-cases/find-replica-sets.ts';
import type { InspectDeploymentDeps } from '../application/use-cases/inspect-deployment.ts';
import type { LaunchWorkerDeps } from '../application/use-cases/launch-worker.ts';
import type { PlanBackupDeps } from '../application/use-cases/plan-backup.ts';
import type { PlanRestoreDeps } from '../application/use-cases/plan-restore.ts';
import type { SnapshotMemberDeps } from '../application/use-cases/snapshot-member.ts';
import type { PublishOutcomeDeps } from '../application/use-cases/publish-outcome.ts';
import type { RecordFailureDeps } from '../application/use-cases/record-failure.ts';
import type { StartNewBaseDeps } from '../application/use-cases/start-new-base.ts';
import type { SweepDeps } from '../application/use-cases/sweep-runs.ts';
import type { Settings } from '../domain/settings.ts';
import { makeCapturePart } from './capture-part.ts';
import { makeDirectoryTargets } from './directory-targets.ts';
import type { LocalStorages } from './local-storages.ts';
import { makeOpenMember } from './open-member.ts';
import { makeOpenTarget, makeUnmarkTarget } from './open-target.ts';
import { makeWithMember } from './read-member.ts';

/** What embedded mode brings itself: its engine knows which runs live, and its channel reaches the workers. */
export interface LocalOptions {
  readonly settings: Settings;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly events: EventPublisher;
  readonly launcher: WorkerLauncher;
  readonly executions: Executions;
  readonly state: ObjectStore;
  readonly storages: LocalStorages;
  readonly volumes: VolumeSnapshots;
  readonly watchdog: LockWatchdog;
  readonly startBackup: StartNewBaseDeps['startBackup'];
}

/** Everything that the use cases need on one machine. */
export type LocalDeps = InspectDeploymentDeps &
  PlanBackupDeps &
  SnapshotMemberDeps &
  AcquireLeaseDeps &
  LaunchWorkerDeps &
  CaptureOplogDeps &
  CompleteBackupDeps &
  PlanRestoreDeps &
  PublishOutcomeDeps &
  RecordFailureDeps &
  SweepDeps &
  FindReplicaSetsDeps &
  ArchiveOplogDeps &
  StartNewBaseDeps &
  CatalogDeps;

/** Seconds: consistency rule 3. The longest keeps a dump of two days within the events that an execution may have. */
export const captureWait = { first: 1, least: 1, most: 120 } as const;

export function composeLocal(options: LocalOptions): LocalDeps {
  const { settings, clock, logger, events, launcher, executions, state, storages, volumes, watchdog, startBackup } =
    options;
  const openStorage = storages.open.bind(storages);
  const openTarget = makeOpenTarget();
  const directories = makeDirectoryTargets(new LocalScratchServers());
  const openMember = makeOpenMember();
  return {
    settings,
    clock,
    logger,
    events,
    launcher,
    executions,
    state,
    openStorage,
    captureWait,
    toolVersion: packageJson.version,
    inspector: new MongoDeploymentInspector({
      warn: (message) => {
        logger.warn(message);
      },
    }),
    capturePart: makeCapturePart({ state, openStorage, logger }),
    ...{ volumes, watchdog, openMember },
    unlockMembers: (runId) => ensureUnlocked(runId, { state, clock, logger, openMember }),
    startBackup,
    ...makeWithMember(),
    openTarget,
    directories,
    unmarkTarget: makeUnmarkTarget(openTarget, directories),
  };
}

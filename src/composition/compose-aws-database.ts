import { MongoDeploymentInspector } from '../adapters/mongodb/inspect-deployment.ts';
import type { ArchiveOplogDeps } from '../application/archive-turn.ts';
import type { StepDeps } from '../application/bind.ts';
import type { DeploymentInspector } from '../application/ports/deployment-inspector.ts';
import type { LockWatchdog } from '../application/ports/lock-watchdog.ts';
import type { OpenMember } from '../application/member-locks.ts';
import { HoldfastError } from '../domain/errors.ts';
import type { OpenTarget, UnmarkTarget } from '../application/restore-target.ts';
import type { OpenStorage } from '../application/run-folder.ts';
import type { CaptureOplogDeps } from '../application/use-cases/capture-oplog.ts';
import { openSecrets } from './aws-storages.ts';
import { composeLauncher, composeNoSource, composeStep, composeStorages } from './compose-aws.ts';
import { composeSnapshots } from './compose-aws-snapshots.ts';
import { composeRestoreVolumes } from './compose-aws-volumes.ts';
import { makeCapturePart } from './capture-part.ts';
import { makeOpenMember } from './open-member.ts';
import { makeOpenTarget, makeUnmarkTarget } from './open-target.ts';
import { makeWithMember } from './read-member.ts';

/** The parts of functions on AWS that speak MongoDB: the driver is in no other bundle. */
export function composeInspector(): { readonly inspector: DeploymentInspector } {
  return { inspector: new MongoDeploymentInspector({ readSecret: openSecrets() }) };
}

export function composeCapture(
  deps: StepDeps & { readonly openStorage: OpenStorage },
): Pick<CaptureOplogDeps, 'capturePart'> {
  return { capturePart: makeCapturePart({ ...deps, credentials: { readSecret: openSecrets() } }) };
}

/** Connects to members with the backup user, for what is asked of them outside of a dump. */
export function composeMembers(): { readonly openMember: OpenMember; readonly watchdog: LockWatchdog } {
  return {
    openMember: makeOpenMember({ readSecret: openSecrets() }),
    // Nothing is locked where nobody could give the lock back.
    watchdog: {
      arm: () => Promise.reject(new HoldfastError('LockRefused', 'This release locks no member on AWS.')),
    },
  };
}

export function composeArchivedMembers(): Pick<ArchiveOplogDeps, 'withMember'> {
  return makeWithMember({ readSecret: openSecrets() });
}

export function composeTarget(): { readonly openTarget: OpenTarget; readonly unmarkTarget: UnmarkTarget } {
  const openTarget = makeOpenTarget({ readSecret: openSecrets() });
  return { openTarget, unmarkTarget: makeUnmarkTarget(openTarget) };
}

/** For a function that settles runs of both kinds: it stops workers, deletes objects and volumes, and takes marks off targets. */
export function composeSettling(
  env: Parameters<typeof composeStep>[0] &
    Parameters<typeof composeLauncher>[0] &
    Parameters<typeof composeRestoreVolumes>[0],
) {
  return {
    ...composeStep(env),
    ...composeLauncher(env),
    ...composeStorages(),
    ...composeTarget(),
    ...composeNoSource(),
    ...composeSnapshots(env),
    ...composeRestoreVolumes(env),
  };
}

import { MongoDeploymentInspector } from '../adapters/mongodb/inspect-deployment.ts';
import type { ArchiveOplogDeps } from '../application/archive-turn.ts';
import type { StepDeps } from '../application/bind.ts';
import type { DeploymentInspector } from '../application/ports/deployment-inspector.ts';
import { ensureUnlocked, type LockDeps } from '../application/release-locks.ts';
import type { OpenTarget, UnmarkTarget } from '../application/restore-target.ts';
import type { SettleDeps } from '../application/settle-run.ts';
import type { OpenStorage } from '../application/run-folder.ts';
import type { CaptureOplogDeps } from '../application/use-cases/capture-oplog.ts';
import { openSecrets } from './aws-storages.ts';
import { composeLauncher, composeStep, composeStorages } from './compose-aws.ts';
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
export function composeMembers(): Pick<LockDeps, 'openMember' | 'lockersOutlive'> {
  return { openMember: makeOpenMember({ readSecret: openSecrets() }), lockersOutlive: true };
}

/** For functions that give back what runs have left locked. */
function composeUnlocking(step: StepDeps): Pick<SettleDeps, 'unlockMembers'> {
  const deps = { ...step, ...composeMembers() };
  return { unlockMembers: (runId) => ensureUnlocked(runId, deps) };
}

export function composeArchivedMembers(): Pick<ArchiveOplogDeps, 'withMember'> {
  return makeWithMember({ readSecret: openSecrets() });
}

export function composeTarget(): { readonly openTarget: OpenTarget; readonly unmarkTarget: UnmarkTarget } {
  const openTarget = makeOpenTarget({ readSecret: openSecrets() });
  return { openTarget, unmarkTarget: makeUnmarkTarget(openTarget) };
}

/** For a function that settles runs of both kinds: it stops workers, unlocks members, deletes objects and volumes, and takes marks off targets. */
export function composeSettling(
  env: Parameters<typeof composeStep>[0] &
    Parameters<typeof composeLauncher>[0] &
    Parameters<typeof composeRestoreVolumes>[0],
) {
  const step = composeStep(env);
  return {
    ...step,
    ...composeLauncher(env),
    ...composeStorages(),
    ...composeTarget(),
    ...composeUnlocking(step),
    ...composeSnapshots(env),
    ...composeRestoreVolumes(env),
  };
}

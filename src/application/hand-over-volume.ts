import { HoldfastError, isHoldfastError } from '../domain/errors.ts';
import { stateKeys } from '../domain/names.ts';
import type { RestoreResult } from '../domain/restore-result.ts';
import type { Outcome } from '../domain/run.ts';
import type { RestorePlan } from '../domain/run-documents.ts';
import { sameDevice, type TargetVolume } from '../domain/volume-target.ts';
import type { StepDeps } from './bind.ts';
import { writeDocument } from './documents.ts';
import type { MadeVolume, RestoreVolumes } from './ports/restore-volumes.ts';

/** A volume that was asked to be attached, as it is now. */
export interface Attachment {
  readonly instance: string;
  readonly device: string;
  readonly attached: boolean;
  /** Why it is not attached; null while it is waited for, and when it is. */
  readonly problem: string | null;
}

export interface HandOverDeps extends StepDeps {
  readonly restoreVolumes?: RestoreVolumes | undefined;
}

/** Seconds between looks at a volume that its task still holds, and how long it is waited for. */
const waitSeconds = 3;
const patienceMs = 30 * 60_000;

function requireVolumes({ restoreVolumes }: HandOverDeps): RestoreVolumes {
  if (restoreVolumes) return restoreVolumes;
  throw new HoldfastError('Internal', 'this function knows no volumes');
}

/**
 * Finds the volume that a part was restored to, by its worker's attempt, and writes it into the part's result. Before the
 * outcome is decided: what is complete has its volume.
 * @throws TargetUnreachable when it is not there (yet: what was just tagged may not be found at once)
 */
export async function recordVolume(
  { runId, volume: planned }: RestorePlan,
  result: RestoreResult,
  deps: HandOverDeps,
): Promise<RestoreResult> {
  if (planned === undefined || result.volume !== undefined) return result;
  const { part, attempt } = result;
  const made = await requireVolumes(deps).list(runId);
  const found = made.find((volume) => volume.part === part && volume.attempt === attempt);
  if (found === undefined)
    throw new HoldfastError(
      'TargetUnreachable',
      `EC2 does not show the volume that worker ${attempt ?? '?'} of ${part} restored to.`,
    );
  const { id, zone } = found;
  const warnings = [...result.warnings, ...lazyWarning(planned, found)];
  const recorded: RestoreResult = { ...result, target: id, volume: { id, zone }, warnings };
  await writeDocument(deps.state, stateKeys.restoreResult(runId, part), recorded);
  return recorded;
}

function lazyWarning({ initialization }: TargetVolume, { id, fastRestored }: MadeVolume): string[] {
  if (initialization !== 'fast' || fastRestored) return [];
  return [`EBS made ${id} without fast snapshot restore: its blocks are loaded when they are first read.`];
}

export interface HandedOver {
  /** Seconds until the next look; 0 when there is nothing to wait for. */
  readonly waitSeconds: number;
  /** Null where nobody asked for one. */
  readonly attachment: Attachment | null;
}

/**
 * Attaches the volume of a completed run where that was asked for. That it can't be attached is no failure of the restore,
 * which is whole: it is said, and the step remains.
 */
export async function handOverVolume(
  { runId, volume: planned }: RestorePlan,
  result: RestoreResult | undefined,
  outcome: Outcome,
  deps: HandOverDeps,
): Promise<HandedOver> {
  const id = result?.volume?.id;
  const attach = planned?.attach ?? null;
  if (id === undefined || attach === null) return { waitSeconds: 0, attachment: null };
  const volumes = requireVolumes(deps);
  const now = (await volumes.list(runId)).find((volume) => volume.id === id);
  if (isAttached(now, attach)) return handed(attach, null);
  if (deps.clock.now().getTime() - Date.parse(outcome.at) > patienceMs)
    return handed(attach, `The volume ${id} is ${now?.state ?? 'gone'}, half an hour after it was ready.`);
  const problem = now?.state === 'available' ? await tryToAttach(id, attach, volumes) : null;
  if (problem !== null) return handed(attach, problem);
  return { waitSeconds, attachment: { ...attach, attached: false, problem: null } };
}

type Place = NonNullable<TargetVolume['attach']>;

const handed = (attach: Place, problem: string | null): HandedOver => ({
  waitSeconds: 0,
  attachment: { ...attach, attached: problem === null, problem },
});

function isAttached(volume: MadeVolume | undefined, { instance, device }: Place): boolean {
  const at = volume?.attachedTo;
  return at?.attached === true && at.instance === instance && sameDevice(at.device, device);
}

/** @returns why not; null when EC2 has begun: the next look tells whether it came about. @throws what may pass */
async function tryToAttach(id: string, attach: Place, volumes: RestoreVolumes): Promise<string | null> {
  try {
    await volumes.attach(id, attach);
    return null;
  } catch (error) {
    if (isHoldfastError(error) && !error.retryable) return error.message;
    throw error;
  }
}

import type * as z from 'zod';
import { ensureUnlocked as releaseLocks, type LockDeps } from '../release-locks.ts';
import { readBackupPlan } from '../run-folder.ts';
import { snapshotMemberInput } from './snapshot-member.ts';

export const ensureUnlockedInput = snapshotMemberInput;

/**
 * Ensure Unlocked: what {@link snapshotMember} may have left of a part's lock when it failed, or when its process died.
 * @returns the members that were unlocked
 * @throws SourceUnreachable when it could not be given back now: its watchdog still has it
 */
export async function ensureUnlocked(
  { runId, part }: z.output<typeof ensureUnlockedInput>,
  deps: LockDeps,
): Promise<{ readonly unlocked: readonly string[] }> {
  const { parts } = await readBackupPlan(deps.state, runId);
  const planned = parts.find(({ name }) => name === part);
  if (planned?.lock !== true) return { unlocked: [] };
  return { unlocked: await releaseLocks(runId, deps, planned.member) };
}

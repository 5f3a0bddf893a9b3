import type { Document } from 'mongodb';
import { HoldfastError } from '../../domain/errors.ts';
import { memberCommand, readMemberState, type Source } from './member-state.ts';

/** The replica set that a plan was made for. */
export interface PlannedSet {
  readonly replicaSet: string;
  /** `settings.replicaSetId` of its configuration, 24 hex digits: another one for a set that was built anew (rule 8). */
  readonly replicaSetId: string;
}

/**
 * Whoever answers on the member's address now is a readable member of the very set that the plan was made for. To be
 * asked before anything is read: addresses outlive servers, and names outlive sets.
 * @throws MemberStateChanged naming what was found, SourceUnreachable, MissingPrivileges
 */
export async function requireMember(source: Source, planned: PlannedSet): Promise<void> {
  await readMemberState(source, planned.replicaSet);
  const { config } = await memberCommand(source, 'admin', { replSetGetConfig: 1 });
  const { replicaSetId } = ((config as Document)['settings'] ?? {}) as { replicaSetId?: { toHexString(): string } };
  const found = replicaSetId?.toHexString() ?? 'none';
  if (found === planned.replicaSetId) return;
  throw new HoldfastError(
    'MemberStateChanged',
    `${source.member} is of another set that is called ${planned.replicaSet} too: its replicaSetId is ${found}, wanted ${planned.replicaSetId}.`,
    {
      next: 'If the set was built anew, start a new backup; else look who answers on that address.',
      details: { member: source.member, replicaSetId: found },
    },
  );
}

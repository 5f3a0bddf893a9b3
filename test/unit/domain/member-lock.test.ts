import { describe, expect, it } from 'vitest';
import { refuseLock, requireLockable } from '../../../src/domain/member-lock.ts';
import type { Member, TopologyPart } from '../../../src/domain/topology.ts';
import { member, worldTopology } from '../../support/backup-world.ts';

type Kind = 'P' | 'S' | 'H' | 'h' | 'A' | 'x';
const kinds: Readonly<Record<Kind, Partial<Member>>> = {
  P: { state: 'PRIMARY' },
  S: {},
  /** Hidden with a vote, and without. */
  H: { hidden: true, priority: 0 },
  h: { hidden: true, priority: 0, votes: 0 },
  A: { arbiter: true, state: 'ARBITER', priority: 0 },
  x: { state: '(not reachable/healthy)', healthy: false },
};

/** A set by its letters; majorities as the server computes them. */
function set(letters: string): TopologyPart {
  const members = Array.from(letters, (letter, index) => member(`m${index}:1`, kinds[letter as Kind]));
  const voters = members.filter(({ votes }) => votes > 0);
  const majorityVoteCount = Math.floor(voters.length / 2) + 1;
  const writeMajorityCount = Math.min(majorityVoteCount, voters.filter(({ arbiter }) => !arbiter).length);
  const [part] = worldTopology.parts;
  if (!part) throw new Error('the world has a part');
  return { ...part, members, majorityVoteCount, writeMajorityCount };
}

describe('a member is locked only when both majorities survive without it and without one more', () => {
  it.each([
    ['PSh', 2],
    ['PSSh', 3],
    ['Ph', 1],
    ['PSSSS', 4],
    ['PSSSH', 4],
    ['PSSSSSH', 6],
  ])('%s, member %i: may be locked', (letters, index) => {
    expect(refuseLock(set(letters), `m${index}:1`)).toBeUndefined();
  });

  it.each([
    ['PSS', 2, /needs 2 votes for a primary, of 1/],
    ['PSH', 2, /needs 2 votes/],
    ['PSA', 1, /needs 2 votes/],
    ['PSSSx', 3, /needs 3 votes/],
    ['PSSSA', 3, /needs 3 members for a majority write, of 2/],
    ['PSSSS', 0, /is the primary/],
    ['Ph', 0, /is the primary/],
    ['PSS', 7, /is no member/],
  ])('%s, member %i: may not', (letters, index, reason) => {
    expect(refuseLock(set(letters), `m${index}:1`)).toMatch(reason);
    expect(() => {
      requireLockable(set(letters), `m${index}:1`);
    }).toThrow(expect.objectContaining({ name: 'LockRefused' }));
  });

  it('whoever copies the oplog from it, or from such a one, acknowledges nothing either', () => {
    const part = set('PSSSSSS');
    const chain = (sources: Readonly<Record<number, number>>) => ({
      ...part,
      members: part.members.map((one, index) =>
        sources[index] === undefined ? one : { ...one, syncSource: `M${sources[index]}:1` },
      ),
    });
    expect(refuseLock(chain({ 2: 0, 3: 0, 4: 6, 5: 0 }), 'm6:1')).toBeUndefined();
    expect(refuseLock(chain({ 2: 4, 3: 0, 4: 6, 5: 0 }), 'm6:1')).toMatch(
      /needs 4 members for a majority write, of 3 .*\(m2:1, m4:1 copied the oplog from it\)/,
    );
    expect(refuseLock(chain({ 1: 2, 2: 1 }), 'm6:1'), 'in a circle').toBeUndefined();
  });

  it('a standalone has no majority to lose', () => {
    expect(refuseLock({ ...set('P'), role: 'standalone' }, 'm0:1')).toBeUndefined();
  });
});

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isHoldfastError } from '../../../src/domain/errors.ts';
import { chooseMember, membersAway, oplogHoldsSeconds, refuseMember } from '../../../src/domain/member-choice.ts';
import { type MemberPreferences, memberPreferencesSchema } from '../../../src/domain/settings.ts';
import { type Member, memberSchema, type TopologyPart } from '../../../src/domain/topology.ts';

const member = (host: string, changes: Partial<Member> = {}): Member => ({
  host,
  state: 'SECONDARY',
  healthy: true,
  hidden: false,
  arbiter: false,
  buildIndexes: true,
  priority: 1,
  votes: 1,
  delaySeconds: 0,
  tags: {},
  optime: null,
  lagSeconds: 0,
  oplogWindowSeconds: 100_000,
  unreachable: null,
  ...changes,
});
const primary = member('p:1', { state: 'PRIMARY' });
const secondary = member('s:1', { lagSeconds: 1 });
const hidden = member('h:1', { hidden: true, priority: 0, votes: 0, lagSeconds: 3 });

const part = (...members: Member[]): TopologyPart => ({
  name: 'rs0',
  role: 'replicaSet',
  replicaSet: 'rs0',
  replicaSetId: null,
  term: 1,
  configVersion: 1,
  majorityVoteCount: 2,
  writeMajorityCount: 2,
  majorityOpTime: null,
  members,
});
const preferences = (changes: Partial<MemberPreferences> = {}) => ({
  ...memberPreferencesSchema.parse({}),
  ...changes,
});

describe('chooseMember', () => {
  it('takes the hidden member, though another secondary lags less', () => {
    const choice = chooseMember(part(primary, secondary, hidden), preferences());
    expect(choice.member.host).toBe('h:1');
    expect(choice.reason).toBe('a hidden member, 3 s behind the primary');
    expect(choice.warnings).toEqual([]);
    expect(choice.verdicts).toEqual([
      { host: 'p:1', eligible: false, reason: 'it is the primary (member.allowPrimary is false)' },
      { host: 's:1', eligible: true, reason: 'eligible: a secondary' },
      { host: 'h:1', eligible: true, reason: 'chosen: a hidden member, 3 s behind the primary' },
    ]);
  });

  it('takes the secondary that lags least, with a warning, where there is no hidden member', () => {
    const slower = member('s:2', { lagSeconds: 9 });
    const choice = chooseMember(part(primary, slower, secondary), preferences());
    expect(choice.member.host).toBe('s:1');
    expect(choice.warnings).toEqual([
      'The set has no hidden member: the secondary s:1 is read, which may serve the application.',
    ]);
  });

  it('takes the primary only when it is allowed, last, and with a warning', () => {
    const choice = chooseMember(part(primary), preferences({ allowPrimary: true }));
    expect(choice.member.host).toBe('p:1');
    expect(choice.warnings.join()).toContain('The primary p:1 is read');
    expect(chooseMember(part(primary, secondary), preferences({ allowPrimary: true })).member.host).toBe('s:1');
  });

  it('prefers a host that is named over a tag, and a tag over the hidden member', () => {
    const tagged = member('t:1', { tags: { use: 'backup' } });
    const all = part(primary, secondary, hidden, tagged);
    expect(chooseMember(all, preferences({ tag: 'use=backup' })).member.host).toBe('t:1');
    expect(chooseMember(all, preferences({ tag: 'use=backup', host: 'S:1' })).member.host).toBe('s:1');
  });

  it('says so when the named host or tag cannot be had', () => {
    const all = part(primary, member('s:1', { healthy: false, state: '(not reachable/healthy)' }), hidden);
    expect(chooseMember(all, preferences({ host: 's:1' })).warnings).toEqual([
      'The configured member s:1 may not be read now; h:1 is read instead.',
    ]);
    expect(chooseMember(all, preferences({ host: 'x:1' })).warnings.join()).toContain(
      'is not in the replica set config',
    );
    expect(chooseMember(all, preferences({ tag: 'a=b' })).warnings.join()).toContain(
      'No readable member has the tag a=b',
    );
  });

  it('takes an ordinary secondary before the hidden one when the config prefers that', () => {
    expect(chooseMember(part(primary, secondary, hidden), preferences({ prefer: 'secondary' })).member.host).toBe(
      's:1',
    );
  });

  it('takes an ordinary secondary that is named, also where unnamed ones are forbidden', () => {
    const forbidding = preferences({ allowSecondary: false });
    expect(() => chooseMember(part(primary, secondary), forbidding)).toThrow(/not hidden/);
    expect(chooseMember(part(primary, secondary), { ...forbidding, host: 's:1' }).member.host).toBe('s:1');
  });

  it.each([
    [{ arbiter: true, lagSeconds: null }, /arbiter/],
    [{ delaySeconds: 3600 }, /delayed by 3600 s/],
    [{ buildIndexes: false }, /buildIndexes/],
    [{ healthy: false, state: 'DOWN' }, /unhealthy/],
    [{ state: 'RECOVERING' }, /its state is RECOVERING/],
    [{ state: 'STARTUP2' }, /its state is STARTUP2/],
    [{ lagSeconds: 21 }, /21 s behind the primary; the limit is 20 s/],
    [{ lagSeconds: null }, /unknown/],
    [{ state: 'UNREACHABLE', unreachable: 'ECONNREFUSED' }, /cannot read it: ECONNREFUSED/],
  ] satisfies [Partial<Member>, RegExp][])('refuses %o', (changes, reason) => {
    expect(refuseMember({ ...hidden, ...changes }, preferences())).toMatch(reason);
  });

  it('accepts exactly the lag that is the limit', () => {
    expect(refuseMember({ ...hidden, lagSeconds: 20 }, preferences())).toBeUndefined();
  });

  it('demands an oplog that holds twice the expected run', () => {
    const short = { ...hidden, oplogWindowSeconds: 999 };
    expect(refuseMember(short, preferences(), { expectedSeconds: 500 })).toBe(
      'its oplog holds 999 s; the run needs 1000 s (twice what is expected)',
    );
    expect(
      refuseMember({ ...hidden, oplogWindowSeconds: 1000 }, preferences(), { expectedSeconds: 500 }),
    ).toBeUndefined();
    expect(refuseMember({ ...hidden, oplogWindowSeconds: null }, preferences(), { expectedSeconds: 1 })).toMatch(
      /unknown/,
    );
    expect(refuseMember(short, preferences())).toBeUndefined();
  });

  it('counts an oplog that is not full by what it will hold', () => {
    expect(oplogHoldsSeconds({ ...hidden, oplogWindowSeconds: 60, oplogUsedFraction: 0.01 })).toBeCloseTo(6000);
    expect(oplogHoldsSeconds({ ...hidden, oplogWindowSeconds: 60 })).toBe(60);
    expect(oplogHoldsSeconds({ ...hidden, oplogWindowSeconds: 0, oplogUsedFraction: 0 })).toBe(Infinity);
  });

  it('throws with the reason of every member when none may be read', () => {
    const all = part(primary, member('a:1', { arbiter: true }), member('d:1', { hidden: true, delaySeconds: 60 }));
    try {
      chooseMember(all, preferences());
      expect.unreachable();
    } catch (error) {
      expect(isHoldfastError(error, 'NoEligibleMember')).toBe(true);
      expect((error as Error).message).toBe(
        'No member of rs0 may be read. p:1: it is the primary (member.allowPrimary is false); a:1: an arbiter holds no data; d:1: it is delayed by 60 s.',
      );
    }
  });
});

describe('chooseMember, whatever the set (properties)', () => {
  const anyMember = fc.record<Member>({
    host: fc.stringMatching(/^[a-f]{1,4}:[1-9]$/),
    state: fc.constantFrom('PRIMARY', 'SECONDARY', 'RECOVERING', 'STARTUP2', 'ARBITER', 'UNREACHABLE', 'ROLLBACK'),
    healthy: fc.boolean(),
    hidden: fc.boolean(),
    arbiter: fc.boolean(),
    buildIndexes: fc.boolean(),
    priority: fc.constant(1),
    votes: fc.constant(1),
    delaySeconds: fc.constantFrom(0, 0, 0, 10),
    tags: fc.constantFrom<Record<string, string>>({}, { use: 'backup' }),
    optime: fc.constant(null),
    lagSeconds: fc.option(fc.integer({ min: 0, max: 40 })),
    oplogWindowSeconds: fc.option(fc.integer({ min: 0, max: 1000 })),
    unreachable: fc.constantFrom(null, null, null, 'refused'),
  });
  const likelyMember = fc.tuple(anyMember, fc.boolean()).map(([any, usable]) =>
    usable
      ? {
          ...any,
          healthy: true,
          arbiter: false,
          buildIndexes: true,
          delaySeconds: 0,
          unreachable: null,
          lagSeconds: 1,
        }
      : any,
  );
  const anyPart = fc
    .uniqueArray(likelyMember, { selector: ({ host }) => host, minLength: 1, maxLength: 7 })
    .map((members) => part(...members));
  const anyPreferences = fc.record<MemberPreferences>(
    {
      prefer: fc.constantFrom('hidden', 'secondary'),
      allowSecondary: fc.boolean(),
      allowPrimary: fc.boolean(),
      maxLagSeconds: fc.integer({ min: 1, max: 30 }),
      host: fc.stringMatching(/^[a-f]:[1-9]$/),
      tag: fc.constant('use=backup'),
    },
    { requiredKeys: ['prefer', 'allowSecondary', 'allowPrimary', 'maxLagSeconds'] },
  );

  it('never takes a member that holds no current, complete data, nor the primary without leave', () => {
    fc.assert(
      fc.property(anyPart, anyPreferences, (set, wishes) => {
        try {
          const { member: chosen, verdicts } = chooseMember(set, wishes);
          expect(memberSchema.safeParse(chosen).success).toBe(true);
          expect(chosen.arbiter || chosen.delaySeconds > 0 || !chosen.buildIndexes || !chosen.healthy).toBe(false);
          expect(chosen.unreachable).toBeNull();
          expect(chosen.lagSeconds ?? Infinity).toBeLessThanOrEqual(wishes.maxLagSeconds);
          expect(wishes.allowPrimary ? ['PRIMARY', 'SECONDARY'] : ['SECONDARY']).toContain(chosen.state);
          expect(verdicts.map(({ host }) => host)).toEqual(set.members.map(({ host }) => host));
          expect(verdicts.find(({ host }) => host === chosen.host)?.eligible).toBe(true);
        } catch (error) {
          if (!isHoldfastError(error, 'NoEligibleMember')) throw error;
          expect(set.members.filter((one) => refuseMember(one, wishes) === undefined)).toEqual([]);
          for (const { host } of set.members) expect(error.message).toContain(`${host}: `);
        }
      }),
    );
  });

  it('takes a hidden member whenever one may be read and nothing else is wished', () => {
    fc.assert(
      fc.property(anyPart, (set) => {
        const wishes = preferences({ allowPrimary: true });
        const eligible = set.members.filter((one) => refuseMember(one, wishes) === undefined);
        fc.pre(eligible.some((one) => one.hidden && one.state === 'SECONDARY'));
        const { member: chosen } = chooseMember(set, wishes);
        expect(chosen.hidden).toBe(true);
        const lags = eligible
          .filter((one) => one.hidden && one.state === 'SECONDARY')
          .map((one) => one.lagSeconds ?? 0);
        expect(chosen.lagSeconds).toBe(Math.min(...lags));
      }),
    );
  });
});

describe('membersAway', () => {
  it('are those that may be read once they are back', () => {
    const others = [
      member('a:1', { arbiter: true, healthy: false }),
      member('d:1', { delaySeconds: 60, healthy: false }),
      member('n:1', { buildIndexes: false, healthy: false }),
      member('x:1', { hidden: false, healthy: false }),
    ];
    const away = [
      member('h:2', { hidden: true, state: 'DOWN', healthy: false }),
      member('h:3', { hidden: true, unreachable: 'no route' }),
      member('h:4', { hidden: true, state: 'RECOVERING' }),
      member('h:5', { hidden: true, lagSeconds: 9_000 }),
      member('h:6', { hidden: true, lagSeconds: null }),
    ];
    const hosts = (list: readonly string[]) => list.map((text) => text.slice(0, text.indexOf(': ')));
    const strict = preferences({ allowSecondary: false });
    expect(hosts(membersAway(part(primary, hidden, ...others, ...away), strict))).toEqual(away.map(({ host }) => host));
    expect(membersAway(part(primary, hidden, ...others, ...away), strict)[0]).toBe(
      'h:2: the set sees it as unhealthy (DOWN)',
    );
    expect(hosts(membersAway(part(primary, hidden, ...others), preferences({ allowSecondary: true })))).toEqual([
      'x:1',
    ]);
  });
});

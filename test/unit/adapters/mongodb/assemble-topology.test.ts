import { Long, ObjectId, Timestamp } from 'mongodb';
import { describe, expect, it } from 'vitest';
import { assembleReplicaSet, reporterOf, toOpTime } from '../../../../src/adapters/mongodb/assemble-topology.ts';
import type { MemberProbe } from '../../../../src/adapters/mongodb/member-probe.ts';
import { HoldfastError } from '../../../../src/domain/errors.ts';
import { topologyPartSchema } from '../../../../src/domain/topology.ts';

const optime = (t: number) => ({ ts: new Timestamp({ t, i: 1 }), t: Long.fromNumber(3) });
const config = {
  _id: 'rs0',
  version: 7,
  members: [
    { _id: 0, host: 'p:1', priority: 1, votes: 1, tags: {} },
    { _id: 1, host: 'H:2', hidden: true, priority: 0, votes: 0, tags: { use: 'backup' } },
    { _id: 2, host: 'a:3', arbiterOnly: true, priority: 0, votes: 1 },
    {
      _id: 3,
      host: 'd:4',
      hidden: true,
      priority: 0,
      votes: 0,
      buildIndexes: false,
      secondaryDelaySecs: Long.fromNumber(60),
    },
  ],
  settings: { replicaSetId: new ObjectId('6b02ed9df7e9b076418dbb1c') },
};
const status = {
  term: Long.fromNumber(3),
  majorityVoteCount: 2,
  writeMajorityCount: 2,
  optimes: { lastCommittedOpTime: optime(100) },
  members: [
    { name: 'p:1', health: 1, state: 1, stateStr: 'PRIMARY', optime: optime(110), self: true },
    { name: 'h:2', health: 1, state: 2, stateStr: 'SECONDARY', optime: optime(105) },
    { name: 'a:3', health: 1, state: 7, stateStr: 'ARBITER' },
    {
      name: 'd:4',
      health: 0,
      state: 8,
      stateStr: '(not reachable/healthy)',
      optime: { ts: new Timestamp({ t: 0, i: 0 }), t: Long.fromNumber(-1) },
    },
  ],
};
const probe = (host: string, changes: Partial<MemberProbe> = {}): MemberProbe => ({
  host,
  hello: {},
  version: '6.0.5',
  unreachable: null,
  authInfo: null,
  featureCompatibilityVersion: '6.0',
  replSetConfig: config,
  replSetStatus: status,
  oplog: null,
  isShard: false,
  dataPlace: null,
  ...changes,
});
const primary = probe('p:1', { hello: { isWritablePrimary: true } });

describe('assembleReplicaSet', () => {
  const part = assembleReplicaSet(primary, [
    primary,
    probe('h:2', {
      oplog: { windowSeconds: 500, usedFraction: 0.5 },
      replSetStatus: { members: [{ self: true, stateStr: 'RECOVERING' }] },
    }),
    probe('a:3', { replSetStatus: null, replSetConfig: null }),
    probe('d:4', { unreachable: new HoldfastError('SourceUnreachable', 'd:4 cannot be reached: ECONNREFUSED') }),
  ]);
  const [first, hidden, arbiter, delayed] = part.members;

  it('makes a valid part of the set', () => {
    expect(topologyPartSchema.parse(part)).toMatchObject({
      name: 'rs0',
      role: 'replicaSet',
      replicaSetId: '6b02ed9df7e9b076418dbb1c',
      term: 3,
      configVersion: 7,
      majorityVoteCount: 2,
      writeMajorityCount: 2,
      majorityOpTime: { ts: { t: 100, i: 1 }, t: 3 },
    });
  });

  it('takes properties from the config, with the servers’ defaults', () => {
    expect(first).toMatchObject({ hidden: false, arbiter: false, buildIndexes: true, delaySeconds: 0, tags: {} });
    expect(hidden).toMatchObject({ host: 'H:2', hidden: true, votes: 0, tags: { use: 'backup' } });
    expect(arbiter).toMatchObject({ arbiter: true, state: 'ARBITER', optime: null, lagSeconds: null });
    expect(delayed).toMatchObject({ buildIndexes: false, delaySeconds: 60, healthy: false });
  });

  it('believes a member’s own state more than what others see of it', () => {
    expect(hidden?.state).toBe('RECOVERING');
  });

  it('counts the lag from the primary, within one answer of one server', () => {
    expect([first?.lagSeconds, hidden?.lagSeconds, delayed?.lagSeconds]).toEqual([0, 5, null]);
    expect(hidden).toMatchObject({ oplogWindowSeconds: 500, oplogUsedFraction: 0.5 });
  });

  it('says why a member cannot be reached', () => {
    expect(delayed).toMatchObject({ state: 'UNREACHABLE', unreachable: 'd:4 cannot be reached: ECONNREFUSED.' });
  });

  it('explains an address that only the set reaches', () => {
    const unreachable = new HoldfastError('SourceUnreachable', 'h:2 cannot be reached: ENOTFOUND');
    const [, member] = assembleReplicaSet(primary, [primary, probe('h:2', { unreachable })]).members;
    expect(member?.unreachable).toBe(
      'h:2 cannot be reached: ENOTFOUND. The set itself sees it as SECONDARY: the address in the replica set config (H:2) must be one that this machine reaches, too.',
    );
  });

  it('reads slaveDelay of 4.4', () => {
    const old = { ...config, members: [{ _id: 0, host: 'p:1', slaveDelay: Long.fromNumber(30) }] };
    const reporter = probe('p:1', { replSetConfig: old });
    expect(assembleReplicaSet(reporter, [reporter]).members[0]?.delaySeconds).toBe(30);
  });

  it('counts the lag from the newest member while there is no primary', () => {
    const members = status.members.map((member) => (member.state === 1 ? { ...member, state: 2 } : member));
    const reporter = probe('p:1', { replSetStatus: { ...status, members } });
    expect(assembleReplicaSet(reporter, [reporter]).members[1]?.lagSeconds).toBe(5);
  });
});

describe('reporterOf', () => {
  const behind = probe('b:1', { hello: { lastWrite: { opTime: optime(50) } } });
  const ahead = probe('c:1', { hello: { lastWrite: { opTime: optime(60) } } });

  it('prefers the primary, then who has applied most, and never who gave no answer', () => {
    expect(reporterOf([behind, ahead, primary])?.host).toBe('p:1');
    expect(reporterOf([behind, ahead])?.host).toBe('c:1');
    expect(reporterOf([behind, { ...primary, replSetStatus: null }])?.host).toBe('b:1');
    expect(reporterOf([])).toBeUndefined();
  });
});

describe('toOpTime', () => {
  it('reads time and term, and the null optime as none', () => {
    expect(toOpTime(optime(5))).toEqual({ ts: { t: 5, i: 1 }, t: 3 });
    expect(toOpTime({ ts: new Timestamp({ t: 0, i: 0 }), t: Long.fromNumber(-1) })).toBeNull();
    expect(toOpTime(undefined)).toBeNull();
  });
});

import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { makeOwnDirectory, removeOwnDirectory } from '../../local/servers/reaper.ts';
import { type ReplicaSetServers, startReplicaSet } from '../../local/servers/replica-set.ts';
import { readDocument, writeDocument } from '../../src/application/documents.ts';
import type { Manifest } from '../../src/domain/manifest.ts';
import { type MemberLock, memberLockSchema } from '../../src/domain/member-lock.ts';
import { artifactKeys, stageNames, stateKeys } from '../../src/domain/names.ts';
import { backupRole } from '../../src/domain/privileges.ts';
import { settingsSchema } from '../../src/domain/settings.ts';
import { AwsStage } from '../support/aws/aws-stage.ts';
import { compareGrants } from '../support/aws/compare-grants.ts';
import { backupSecret, stageSettings, synthesise } from '../support/aws/synthesise.ts';
import { createUserWithRole } from '../support/backup-user.ts';
import { isLocked } from '../support/physical-set.ts';

/** A stage that locks a real hidden member: whether it is locked is asked from the server, whoever died when. */

let directory: string;
let set: ReplicaSetServers;
let stage: AwsStage;
const group = stageNames.lockSchedules('test');
const input = { deployment: 'orders', method: 'snapshot' };

beforeAll(async () => {
  directory = await makeOwnDirectory('aws-stage-locked');
  set = await startReplicaSet({ auth: true, members: [{}, { hidden: true, votes: 0 }] });
  const { password } = await createUserWithRole(set.client(), 'backup', backupRole({ lock: true }), 2);
  const { orders } = stageSettings.deployments;
  const settings = settingsSchema.parse({
    ...stageSettings,
    deployments: { ...stageSettings.deployments, orders: { ...orders, lock: true } },
  });
  stage = await AwsStage.start({
    template: synthesise(join(directory, 'cdk.out'), settings),
    uris: { orders: `${set.uri}${set.uri.includes('?') ? '&' : '/?'}serverSelectionTimeoutMS=30000` },
    secrets: { [backupSecret]: JSON.stringify({ username: 'backup', password }) },
  });
  const { dbPath, pid, host } = set.hidden;
  await stage.ec2.makeMemberVolume({ 'holdfast:data': 'orders', 'holdfast:member': host }, { dbPath, pid });
}, 600_000);
afterAll(async () => {
  await stage.stop();
  await set.stop();
  await removeOwnDirectory(directory);
});

let restoreAnswer: () => void = () => undefined;
afterEach(() => {
  restoreAnswer();
});

/** Does something when the function has locked the member and asks for the snapshot. */
function whenLocked(work: () => Promise<unknown>): void {
  const action = 'ec2:CreateSnapshot';
  const answer = stage.aws.answers.get(action);
  if (answer === undefined) throw new Error('nobody answers CreateSnapshot');
  restoreAnswer = () => void stage.aws.answers.set(action, answer);
  stage.aws.answers.set(action, async (...asked) => {
    restoreAnswer();
    await work();
    return answer(...asked);
  });
}

const admin = () => set.clientFor(set.hidden).db('admin');
const locked = () => isLocked(set.clientFor(set.hidden));
const state = () => stage.bucket('State');
const record = () => readDocument(state(), stateKeys.lock(set.hidden.host), memberLockSchema);
const isRecorded = async () => (await state().head(stateKeys.lock(set.hidden.host))) !== undefined;
const schedules = () => stage.schedules.list(group);
const settle = (name: string) =>
  stage.invoke('settle-ended-run', { source: 'aws.states', detail: { name, status: 'ABORTED' } });

/** A run whose function dies while the member is locked, and whose execution is stopped in the same moment: no state follows. */
async function dieLocked(name: string): Promise<void> {
  const died = Promise.withResolvers<undefined>();
  whenLocked(async () => {
    await execution.abort('an operator stopped it');
    await stage.killFunction('snapshot-member');
    died.resolve(undefined);
  });
  const execution = stage.startExecution('backup', name, input);
  expect(await execution.result, stage.allLogs()).toMatchObject({ status: 'ABORTED' });
  await died.promise;
  expect(await locked()).toBe(true);
}

async function expectNothingLeft(): Promise<void> {
  expect(await locked(), stage.allLogs()).toBe(false);
  expect(await isRecorded()).toBe(false);
}

describe('a stage with lock: true', () => {
  it('snapshots the member while it is locked, recorded and watched, and leaves it as it was', async () => {
    const seen: { locked?: boolean; recorded?: MemberLock; schedules?: Awaited<ReturnType<typeof schedules>> } = {};
    whenLocked(async () => {
      Object.assign(seen, { locked: await locked(), recorded: await record(), schedules: await schedules() });
    });
    const result = await stage.startExecution('backup', 'locked-1', input).result;
    expect(result, stage.allLogs()).toMatchObject({ status: 'SUCCEEDED', output: { method: 'snapshot' } });
    expect(seen.locked).toBe(true);
    const { run, member, at, opid } = seen.recorded ?? {};
    expect({ run, member, known: opid !== null }).toEqual({ run: 'locked-1', member: set.hidden.host, known: true });
    expect(seen.schedules).toMatchObject([
      {
        ActionAfterCompletion: 'DELETE',
        Target: { Arn: expect.stringMatching(/:function:holdfast-test-ensure-unlocked$/) as string },
      },
    ]);
    expect(JSON.parse(seen.schedules?.[0]?.Target?.Input ?? '')).toEqual({ lock: { run, member, at } });
    const { backupId } = (result as unknown as { output: { backupId: string } }).output;
    const { body } = await stage.bucket('Artifacts', 'holdfast/').get(artifactKeys.manifest('orders', backupId));
    const [part] = (JSON.parse(body.toString('utf8')) as Manifest).parts;
    const snapshot = part?.base.method === 'snapshot' ? part.base.snapshot : undefined;
    expect(snapshot).toMatchObject({ consistency: 'locked' });
    expect(snapshot?.lockSeconds).toBeGreaterThan(0);
    await expectNothingLeft();
    expect(await schedules()).toEqual([]);
  });

  it('unlocks at once in the workflow when the function dies; the schedule that is left finds nothing', async () => {
    whenLocked(() => stage.killFunction('snapshot-member'));
    const result = await stage.startExecution('backup', 'locked-2', input).result;
    expect(result, stage.allLogs()).toMatchObject({ status: 'FAILED' });
    const entered = (stage.workflows.journals.get('locked-2')?.events ?? []).flatMap(
      ({ stateEnteredEventDetails: entering }) => entering?.name ?? [],
    );
    // The other branch, which captures the oplog, goes on beside it until the parts fail.
    const steps = ['Snapshot Member', 'Ensure Unlocked', 'Snapshot Failed', 'Record Failure'];
    expect(entered.filter((name) => steps.some((step) => step === name))).toEqual(steps);
    await expectNothingLeft();
    const [left] = await schedules();
    expect(await stage.schedules.call(left as never)).toEqual({ unlocked: false });
    expect(await schedules()).toEqual([]);
    expect(stage.published.map(({ DetailType }) => DetailType)).not.toContain('Forgotten Lock Released');
  });

  it('leaves somebody else’s lock alone, and says so', async () => {
    await admin().command({ fsync: 1, lock: true });
    try {
      const result = await stage.startExecution('backup', 'locked-3', input).result;
      expect(result, stage.allLogs()).toMatchObject({ status: 'FAILED', error: 'MemberLocked' });
      expect(await isRecorded()).toBe(false);
      expect(await schedules()).toEqual([]);
    } finally {
      expect(await admin().command({ fsyncUnlock: 1 })).toMatchObject({ lockCount: 0 });
    }
  });

  it('unlocks when the execution was stopped as well: by the rule on ended executions', async () => {
    await dieLocked('locked-4');
    expect(await settle('locked-4')).toEqual({ settled: true });
    await expectNothingLeft();
    for (const left of await schedules()) expect(await stage.schedules.call(left)).toEqual({ unlocked: false });
  });

  it('strikes out a lock that somebody has replaced by one of theirs, and leaves theirs', async () => {
    await dieLocked('locked-5');
    await admin().command({ fsyncUnlock: 1 });
    await admin().command({ fsync: 1, lock: true });
    try {
      expect(await settle('locked-5')).toEqual({ settled: true });
      expect(await isRecorded()).toBe(false);
      expect(await locked()).toBe(true);
    } finally {
      expect(await admin().command({ fsyncUnlock: 1 })).toMatchObject({ lockCount: 0 });
    }
    for (const left of await schedules()) expect(await stage.schedules.call(left)).toEqual({ unlocked: false });
  });

  it('unlocks by the watchdog when nobody else does: not before the longest lock is over, and once', async () => {
    await dieLocked('locked-6');
    const [left] = await schedules();
    const { at } = await record();
    const called = stage.schedules.call(left as never);
    // Called early, it waits.
    expect(await locked()).toBe(true);
    expect(await called, stage.allLogs()).toEqual({ unlocked: true });
    expect(Date.now() - Date.parse(at)).toBeGreaterThan(60_000);
    await expectNothingLeft();
    const told = stage.published.filter(({ DetailType }) => DetailType === 'Forgotten Lock Released');
    expect(told.map(({ Detail }) => JSON.parse(Detail) as unknown)).toEqual([
      { deployment: 'orders', member: set.hidden.host, runId: 'locked-6', lockedAt: at },
    ]);
    // It is called at least once.
    expect(await stage.invoke('ensure-unlocked', JSON.parse(left?.Target?.Input ?? ''))).toEqual({ unlocked: false });
    await settle('locked-6');
  }, 300_000);

  it('unlocks by the sweep what a function has left that outlived its run', async () => {
    const { fsyncLock } = await admin().command({ currentOp: 1 });
    expect(fsyncLock).toBeUndefined();
    await dieLocked('locked-7');
    const lost = await record();
    expect(await settle('locked-7')).toEqual({ settled: true });
    await admin().command({ fsync: 1, lock: true });
    const [worker] = await set
      .clientFor(set.hidden)
      .db('admin')
      .aggregate<{ opid: number }>([
        { $currentOp: { allUsers: true, idleConnections: true } },
        { $match: { desc: 'fsyncLockWorker' } },
      ])
      .toArray();
    await writeDocument(state(), stateKeys.lock(lost.member), { ...lost, opid: worker?.opid ?? null });
    expect(await stage.invoke('sweep-runs', { source: 'aws.events' })).toMatchObject({ problems: [] });
    await expectNothingLeft();
  });

  it('asks AWS for nothing that its roles do not allow, and uses every grant that is there for locks', () => {
    const { calls } = stage.aws;
    expect(compareGrants(stage.template, calls).refused).toEqual([]);
    const asked = new Set(
      calls.map(({ caller, action, resource }) => `${caller} ${action} ${resource.replace(/.*\/locks\/.*/, 'locks')}`),
    );
    const secret = `secretsmanager:GetSecretValue ${backupSecret}`;
    expect([...asked]).toEqual(
      expect.arrayContaining([
        'snapshot-member s3:PutObject locks',
        'snapshot-member s3:GetObject locks',
        'snapshot-member s3:DeleteObject locks',
        ...['ensure-unlocked', 'settle-ended-run', 'sweep-runs'].flatMap((caller) => [
          `${caller} s3:GetObject locks`,
          `${caller} s3:DeleteObject locks`,
          `${caller} ${secret}`,
        ]),
        'ensure-unlocked events:PutEvents arn:aws:events:eu-central-1:111122223333:event-bus/default',
      ]),
    );
    const made = calls
      .filter(({ action }) => /^(scheduler|iam):/.test(action))
      .map(({ caller, action }) => `${caller} ${action}`);
    expect(new Set(made)).toEqual(
      new Set([
        'snapshot-member scheduler:CreateSchedule',
        'snapshot-member scheduler:DeleteSchedule',
        'snapshot-member iam:PassRole',
      ]),
    );
  });
});

import { randomUUID } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { until } from '../../local/servers/poll.ts';
import type { ReplicaSetServers } from '../../local/servers/replica-set.ts';
import type { StandaloneServer } from '../../local/servers/standalone.ts';
import { countTransitions } from '../../local/states-language/count-transitions.ts';
import { prunedSchema } from '../../src/application/api/schemas.ts';
import type { Manifest } from '../../src/domain/manifest.ts';
import { artifactKeys, stateKeys } from '../../src/domain/names.ts';
import { describeHttpApi } from '../support/aws/api-suite.ts';
import type { AwsStage } from '../support/aws/aws-stage.ts';
import { describeEndedRuns } from '../support/aws/ended-runs-suite.ts';
import { compareGrants } from '../support/aws/compare-grants.ts';
import { resourcesOf } from '../support/aws/template.ts';
import { describeSnapshotBackups } from '../support/aws/snapshot-backup-suite.ts';
import { type StagedSet, startStagedSet } from '../support/aws/staged-set.ts';
import { describeVolumeRestores } from '../support/aws/volume-restore-suite.ts';

let world: StagedSet;
let set: ReplicaSetServers;
let target: StandaloneServer;
let stage: AwsStage;
let backupId: string;

/** Of the users of the database; it must come up in nothing that a run leaves. */
const canary = 'a:p@ss/word';

beforeAll(async () => {
  world = await startStagedSet();
  ({ stage, set, target } = world);
}, 480_000);

afterAll(() => world.stop());

describe('a synthesised stage', () => {
  it('backs up from the console with {"deployment": "orders"}', async () => {
    const result = await stage.startExecution('backup', 'console-1', { deployment: 'orders' }).result;
    expect(result, stage.allLogs()).toMatchObject({
      status: 'SUCCEEDED',
      output: {
        ...{ status: 'completed', deployment: 'orders', method: 'logical', warnings: [] },
        backupId: expect.any(String) as string,
        member: set.members[1]?.host,
        restoreTimeWall: expect.stringMatching(/^20\d\d-.*Z$/) as string,
      },
    });
    const { output } = result as unknown as { output: { backupId: string; manifest: string; durationSeconds: number } };
    ({ backupId } = output);
    expect(output.durationSeconds).toBeGreaterThan(0);
    expect(output.manifest).toMatch(/^s3:\/\/.*\/holdfast\/orders\/backups\/.*\/manifest\.json$/);
    expect(output.manifest).toContain(artifactKeys.manifest('orders', backupId));
    const manifest = await stage.bucket('Artifacts', 'holdfast/').get(artifactKeys.manifest('orders', backupId));
    const { objectLock, ...rest } = JSON.parse(manifest.body.toString('utf8')) as Manifest;
    expect(rest).toMatchObject({ backupId, deployment: 'orders' });
    const artifacts = stage.bucket('Artifacts', 'holdfast/');
    for await (const { key } of artifacts.list(artifactKeys.backup('orders', backupId)))
      expect(await artifacts.protection(key), key).toMatchObject({ lock: objectLock });
    expect(objectLock?.mode).toBe('governance');
    expect(stage.published.map(({ DetailType }) => DetailType)).toEqual(['Backup completed']);
  });

  it('archives the oplog from the end of that backup on', async () => {
    await set
      .client()
      .db('shop')
      .collection('later')
      .insertOne({}, { writeConcern: { w: 2 } });
    let turns = 0;
    await until('a turn archives something', async () => {
      turns += 1;
      const result = await stage.startExecution('archive-oplog', `archive-${turns}`, { deployment: 'orders' }).result;
      expect(result, stage.allLogs()).toMatchObject({
        status: 'SUCCEEDED',
        output: [{ turn: { replicaSet: set.name }, base: null }],
      });
      const { output } = result as unknown as { output: { turn: { status: string } }[] };
      return output[0]?.turn.status === 'archived' ? true : undefined;
    });
    const artifacts = stage.bucket('Artifacts', 'holdfast/');
    const manifest = await artifacts.get(artifactKeys.manifest('orders', backupId));
    const { parts } = JSON.parse(manifest.body.toString('utf8')) as Manifest;
    const [{ topology, oplog } = { topology: undefined, oplog: undefined }] = parts;
    const prefix = artifactKeys.archive('orders', set.name, topology?.replicaSetId ?? '');
    const { ts } = oplog?.to ?? { ts: { t: 0, i: 0 } };
    expect(await artifacts.head(artifactKeys.slice(prefix, ts))).toBeDefined();
    const asked = { deployment: 'orders', replicaSet: set.name, replicaSetId: topology?.replicaSetId };
    expect(await stage.invoke('start-new-base', asked)).toEqual({ status: 'wait', runId: null });
  });

  it('looks after that archive: it is whole, and nothing of it may go', async () => {
    const place = { deployment: 'orders', replicaSet: set.name };
    expect(await stage.invoke('check-archives', { source: 'aws.events' })).toMatchObject([
      { ...place, status: 'whole', losses: [] },
    ]);
    expect(await stage.invoke('check-archives', { source: 'aws.events' })).toMatchObject([{ status: 'notDue' }]);
    expect(await stage.invoke('prune-archives', { source: 'aws.events' })).toMatchObject([{ ...place, slices: 0 }]);
    const { body } = await stage.api.request('POST', '/prune', { query: { dryRun: 'true' } });
    expect(prunedSchema.parse(body)).toMatchObject({ dryRun: true, pruned: [{ ...place, slices: 0, upTo: null }] });
  });

  it('needs few enough transitions', () => {
    const { total, waiting } = countTransitions(stage.workflows.journals.get('console-1')?.events ?? []);
    expect(total).toBeGreaterThan(10);
    expect(total - waiting).toBeLessThanOrEqual(30);
  });

  it('restores to a server, with the credentials of restores', async () => {
    const input = { backup: backupId, to: target.uri };
    const result = await stage.startExecution('restore', 'console-2', input).result;
    expect(result, stage.allLogs()).toMatchObject({
      status: 'SUCCEEDED',
      output: { backupId, deployment: 'orders', manifest: expect.stringContaining(backupId) as string },
    });
    expect(await target.client().db('shop').collection('orders').countDocuments()).toBe(500);
  });

  it('ends a second delivery of a schedule as a duplicate', async () => {
    const input = {
      deployment: 'orders',
      requestedBy: 'schedule nightly',
      idempotencyKey: 'nightly@2026-11-22T02:00:00Z',
    };
    const first = await stage.startExecution('backup', 'schedule-1', input).result;
    const second = await stage.startExecution('backup', 'schedule-2', input).result;
    expect(first, stage.allLogs()).toMatchObject({ status: 'SUCCEEDED', output: { status: 'completed' } });
    expect(second).toMatchObject({
      status: 'SUCCEEDED',
      output: { status: 'duplicate', deployment: 'orders', duplicateOf: 'schedule-1' },
    });
  });

  it.each([
    [{ deployment: 'order' }, 'UnknownDeployment', /no deployment .*order.* is configured; there is orders, users/],
    [{}, 'UnknownDeployment', /name the deployment to back up: orders, users/],
    [{ deploymnt: 'orders' }, 'InvalidInput', /there is no .*deploymnt.*; there is deployment, method/],
  ])('fails in the first state, and says what to write: %j', async (input, error, cause) => {
    const result = await stage.startExecution('backup', randomUUID(), input).result;
    expect(result).toMatchObject({ status: 'FAILED', error, cause: expect.stringMatching(cause) as string });
  });

  it('starts the worker again when its task is gone', async () => {
    const execution = stage.startExecution('backup', 'killed-1', { deployment: 'orders' });
    await until('a worker runs', () => Promise.resolve(stage.killWorker() ? true : undefined));
    expect(await execution.result, stage.allLogs()).toMatchObject({ status: 'SUCCEEDED' });
    expect(await stage.bucket('State').head(stateKeys.task('killed-1', 'dump-rs0-2'))).toBeDefined();
  });

  describeVolumeRestores(() => ({ stage, backupId }));

  describeSnapshotBackups(() => {
    const [, member] = set.members;
    return { stage, member: { host: member?.host ?? '', dbPath: member?.dbPath ?? '', pid: member?.pid ?? 0 } };
  });

  describeEndedRuns(() => stage);

  describeHttpApi(() => ({ stage, backupId, target: target.uri }));

  it('asks AWS for nothing that its roles do not allow, and its roles allow nothing that is never asked for', () => {
    const { refused, unused } = compareGrants(stage.template, stage.aws.calls);
    expect(refused).toEqual([]);
    expect(unused).toEqual([]);
  });

  it('has called every one of its functions', async () => {
    const inStage = resourcesOf(stage.template, 'AWS::Lambda::Function').map(([, { Properties }]) =>
      String(Properties['FunctionName']).replace('holdfast-test-', ''),
    );
    const folders = await readdir(new URL('../../lambdas', import.meta.url));
    expect(inStage.toSorted()).toEqual(folders.filter((name) => name !== '_shared').sort());
    expect(inStage.filter((name) => !stage.calledFunctions.includes(name))).toEqual([]);
  });

  it('shows its secrets nowhere', async () => {
    const seen = await artefactsOf(stage);
    // The artefacts are what they are taken for: each has what only it can know.
    for (const part of [
      'console-1',
      backupId,
      'HOLDFAST_TASK_KEY',
      'Backup completed',
      'StateEntered',
      'STATE_BUCKET',
    ]) {
      expect(seen.filter(({ text }) => text.includes(part)).length, part).toBeGreaterThan(0);
    }
    expect(seen.filter(({ text }) => formsOf(canary).some((form) => text.includes(form)))).toEqual([]);
  });
});

/** A secret as it is, and as URIs, forms of base64 and JSON would carry it. */
function formsOf(secret: string): readonly string[] {
  const encoded = [0, 1, 2].map((offset) =>
    // Where base64 begins depends on what stands before; the inner characters are the same.
    Buffer.from(' '.repeat(offset) + secret)
      .toString('base64')
      .slice(2 + offset, -4),
  );
  return [secret, encodeURIComponent(secret), JSON.stringify(secret).slice(1, -1), ...encoded];
}

/** Everything that runs leave, and what starts them: environments, states, logs, requests with overrides, events, objects. */
async function artefactsOf(of: AwsStage): Promise<readonly { where: string; text: string }[]> {
  const objects: { where: string; text: string }[] = [];
  for (const [name, prefix] of [
    ['State', ''],
    ['Artifacts', 'holdfast/'],
  ] as const) {
    const bucket = of.bucket(name, prefix);
    for await (const { key } of bucket.list('')) {
      objects.push({ where: `${name}/${key}`, text: (await bucket.get(key)).body.toString('latin1') });
    }
  }
  return [
    { where: 'template', text: JSON.stringify(of.template) },
    { where: 'logs', text: of.allLogs() },
    { where: 'requests', text: JSON.stringify(of.aws.calls) },
    { where: 'events', text: JSON.stringify(of.published) },
    { where: 'states', text: JSON.stringify([...of.workflows.journals.values()].map(({ events }) => events)) },
    ...objects,
  ];
}

import { describe, expect, it } from 'vitest';
import { until } from '../../../local/servers/poll.ts';
import {
  backupListSchema,
  problemSchema,
  recoveryWindowSchema,
  retriedRunSchema,
  runListSchema,
  runSchema,
  startedRunSchema,
} from '../../../src/application/api/schemas.ts';
import { manifestSchema } from '../../../src/domain/manifest.ts';
import { stateKeys } from '../../../src/domain/names.ts';
import type { AwsStage } from './aws-stage.ts';
import { type ApiReply, caller } from './fake-http-api.ts';
import { wrongRequests } from './wrong-requests.ts';

export interface ApiWorld {
  readonly stage: AwsStage;
  /** A backup of `orders` that is there. */
  readonly backupId: string;
  /** URI of a server that holds data. */
  readonly target: string;
}

const problemOf = ({ body, headers }: ApiReply) => {
  expect(headers).toMatchObject({ 'content-type': 'application/problem+json' });
  expect(JSON.stringify(body)).not.toMatch(/\.m?[jt]s:\d+|node_modules/);
  return problemSchema.parse(body);
};
const key = (text: string) => ({ 'idempotency-key': text });

/** The routes of the API by the bundles behind them, with the events that API Gateway sends. */
export function describeHttpApi(world: () => ApiWorld): void {
  const api = () => world().stage.api;
  const showRun = async (runId: string) => runSchema.parse((await api().request('GET', `/runs/${runId}`)).body);
  const started = (reply: ApiReply) => {
    expect(reply).toMatchObject({ status: 202, headers: { 'content-type': 'application/json' } });
    return startedRunSchema.parse(reply.body).runId;
  };
  const starts = () => world().stage.aws.calls.filter(({ action }) => action === 'states:StartExecution').length;
  const retry = (runId: string, by = caller) => api().request('POST', `/runs/${runId}/retry`, { caller: by });
  const retried = ({ status, body }: ApiReply) => {
    expect(status, JSON.stringify(body)).toBe(202);
    return retriedRunSchema.parse(body);
  };
  const ended = async (workflow: 'backup' | 'restore', runId: string) => {
    await world().stage.workflows.execution(workflow, runId).result;
    return showRun(runId);
  };

  describe('the HTTP API', () => {
    it('starts a backup once for each Idempotency-Key, whoever asks again and when', async () => {
      const { stage } = world();
      const path = '/deployments/orders/backups';
      const order = { body: { labels: { why: 'release' } }, headers: key('release-7') };
      const replies = await Promise.all([1, 2, 3].map(() => api().request('POST', path, order)));
      const [runId = '', ...others] = replies.map(started);
      expect(others).toEqual([runId, runId]);
      expect(await showRun(runId)).toMatchObject({ status: 'running', workflow: 'backup', deployment: 'orders' });
      const done = await ended('backup', runId);
      expect(done, stage.allLogs()).toMatchObject({ status: 'succeeded', state: 'Publish Outcome', error: null });

      const bob = caller.replace('alice', 'bob');
      expect(started(await api().request('POST', path, { ...order, caller: bob }))).toBe(runId);
      const other = problemOf(await api().request('POST', path, { body: {}, headers: key('release-7') }));
      expect(other).toMatchObject({ status: 400, code: 'HF-1002', detail: expect.stringContaining(runId) as string });
      stage.workflows.forget('backup', runId);
      expect(started(await api().request('POST', path, order))).toBe(runId);
      expect(starts()).toBe(3);

      const { backupId } = done.output as { backupId: string };
      const manifest = manifestSchema.parse((await api().request('GET', `/backups/${backupId}`)).body);
      expect(manifest).toMatchObject({
        run: runId,
        labels: { why: 'release' },
        requestedBy: `api:${caller} from 203.0.113.7`,
      });
    });

    it('lists backups: of a deployment, of all, since a time, in a storage', async () => {
      const ids = async (path: string, query?: Record<string, string>) => {
        const reply = await api().request('GET', path, query && { query });
        return backupListSchema.parse(reply.body).backups.map(({ backupId }) => backupId);
      };
      const all = await ids('/backups');
      expect(all).toContain(world().backupId);
      expect(all).toEqual(all.toSorted().reverse());
      expect(await ids('/deployments/orders/backups', { storage: 'primary' })).toEqual(all);
      expect(await ids('/deployments/orders/backups', { storage: 'shared' })).toEqual([]);
      expect(await ids('/deployments/users/backups')).toEqual([]);
      expect(await ids('/backups', { since: '2026-11-22T00:00:00+01:00' })).toEqual(all);
      expect(await ids('/backups', { since: '2999-01-01T00:00:00Z' })).toEqual([]);
    });

    it('shows to which times a deployment can be restored, and what serves one', async () => {
      const path = '/deployments/orders/recovery-window';
      const { replicaSets } = recoveryWindowSchema.parse((await api().request('GET', path)).body);
      expect(replicaSets).toMatchObject([{ replicaSet: 'rs0', latest: { t: expect.any(Number) as number } }]);
      const { body } = await api().request('GET', path, { query: { at: 'latest' } });
      const [set] = recoveryWindowSchema.parse(body).replicaSets;
      expect(set?.serving).toMatchObject({ time: set?.latest, backup: { storage: 'primary', method: 'logical' } });
    });

    it('starts a restore, whose checks end the run by their names', async () => {
      const restore = async (deployment: string, body: object) =>
        ended('restore', started(await api().request('POST', `/deployments/${deployment}/restores`, { body })));
      const to = world().target;
      expect(await restore('orders', { to })).toMatchObject({
        ...{
          status: 'failed',
          workflow: 'restore',
          deployment: null,
          error: { name: 'TargetNotEmpty', code: 'HF-6002' },
        },
      });
      expect(await restore('users', { to, backup: world().backupId })).toMatchObject({
        error: { name: 'UnknownBackup', message: expect.stringContaining('is of orders, not of users') as string },
      });
      const again = { body: { to }, headers: key('restore-1') };
      const replies = [1, 2].map(() => api().request('POST', '/deployments/orders/restores', again));
      const [first, second] = (await Promise.all(replies)).map(started);
      expect(second).toBe(first);
      await ended('restore', first ?? '');
      expect(started(await api().request('POST', '/deployments/orders/restores', again))).toBe(first);
    });

    it('retries a restore that failed, but for one that overwrites', async () => {
      const path = '/deployments/orders/restores';
      const restore = async (more: object) => {
        const runId = started(await api().request('POST', path, { body: { to: world().target, ...more } }));
        expect(await ended('restore', runId)).toMatchObject({ status: 'failed' });
        return runId;
      };
      const failed = await restore({});
      const { runId, ...rest } = retried(await retry(failed));
      expect(rest).toEqual({ workflow: 'restore', retryOf: failed });
      expect(await ended('restore', runId)).toMatchObject({ status: 'failed', error: { name: 'TargetNotEmpty' } });
      const overwriting = await restore({ overwrite: 'another' });
      expect(problemOf(await retry(overwriting))).toMatchObject({
        ...{ status: 400, name: 'InvalidInput', next: 'Type the restore again.' },
      });
    });

    it('cancels a run, which cleans up; one that has ended stays as it is, and is retried once', async () => {
      const { stage } = world();
      const runId = started(await api().request('POST', '/deployments/orders/backups'));
      expect(problemOf(await retry(runId))).toMatchObject({
        status: 400,
        detail: expect.stringMatching(/still runs/) as string,
      });
      await until('its worker runs', async () =>
        (await stage.bucket('State').head(stateKeys.task(runId, 'dump-rs0-1'))) === undefined ? undefined : true,
      );
      expect(await api().request('POST', `/runs/${runId}/cancel`)).toMatchObject({
        status: 202,
        body: { status: 'running' },
      });
      expect(await ended('backup', runId), stage.allLogs()).toMatchObject({
        status: 'cancelled',
        error: { code: 'HF-8001' },
      });
      expect(await api().request('POST', `/runs/${runId}/cancel`)).toMatchObject({
        status: 202,
        body: { status: 'cancelled' },
      });
      const [newest] = runListSchema.parse((await api().request('GET', '/runs')).body).runs;
      expect(newest).toEqual(await showRun(runId));

      const replies = await Promise.all([retry(runId), retry(runId, caller.replace('alice', 'bob'))]);
      const [first, second] = replies.map(retried);
      expect(second).toEqual(first);
      expect(first).toMatchObject({ workflow: 'backup', retryOf: runId });
      const again = first?.runId ?? '';
      expect(await ended('backup', again), stage.allLogs()).toMatchObject({
        status: 'succeeded',
        deployment: 'orders',
      });
      const before = starts();
      expect(retried(await retry(runId))).toEqual(first);
      stage.workflows.forget('backup', again);
      expect(retried(await retry(runId))).toEqual(first);
      expect(starts()).toBe(before);
    });

    it.each(wrongRequests.map((wrong) => [wrong[0], wrong] as const))('refuses %s', async (_what, wrong) => {
      const [, method, path, call, status, name, detail] = wrong;
      const before = starts();
      const reply = await api().request(method, path, call);
      expect(problemOf(reply)).toMatchObject({ status, name, detail: expect.stringMatching(detail) as string });
      expect(reply.status).toBe(status);
      expect(JSON.stringify(reply.body)).not.toContain('hunter2');
      expect(world().stage.allLogs()).not.toContain('hunter2');
      expect(starts()).toBe(before);
    });
  });
}

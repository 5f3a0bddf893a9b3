import { GetScheduleCommand, ListSchedulesCommand, SchedulerClient } from '@aws-sdk/client-scheduler';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type MotoServer, startMoto } from '../../local/servers/moto-server.ts';
import { SchedulerLockWatchdog } from '../../src/adapters/aws/scheduler-lock-watchdog.ts';
import { SystemClock } from '../../src/adapters/process/system-clock.ts';
import { longestLock } from '../../src/domain/member-lock.ts';
import { noLogger } from '../support/no-logger.ts';

/** The shapes of EventBridge Scheduler, as moto checks them; nobody is called by it. */
const group = 'holdfast-prod-locks';
const role = 'arn:aws:iam::123456789012:role/r';
const target = 'arn:aws:lambda:eu-central-1:123456789012:function:f';
let moto: MotoServer;
let client: SchedulerClient;
beforeAll(async () => {
  moto = await startMoto();
  const credentials = { accessKeyId: 'a', secretAccessKey: 'b' };
  client = new SchedulerClient({ region: 'eu-central-1', endpoint: moto.endpoint, credentials });
  // A group is made by the stack.
  const made = await fetch(`${moto.endpoint}/schedule-groups/${group}`, {
    method: 'POST',
    body: '{}',
    headers: { Authorization: 'AWS4-HMAC-SHA256 Credential=a/20261122/eu-central-1/scheduler/aws4_request' },
  });
  expect(made.status).toBe(200);
}, 60_000);
afterAll(async () => {
  client.destroy();
  await moto.stop();
});

it('makes one schedule of a lock, however often it is armed, and takes it away again', async () => {
  const watchdog = new SchedulerLockWatchdog({
    client,
    clock: new SystemClock(),
    logger: noLogger,
    group,
    role,
    target,
  });
  const lock = { run: 'run-1', member: '[::1]:27017', at: new Date().toISOString() };
  const names = async () =>
    ((await client.send(new ListSchedulesCommand({ GroupName: group }))).Schedules ?? []).map(({ Name }) => Name);

  const armed = await watchdog.arm(lock);
  const again = await watchdog.arm(lock);
  const [Name, ...others] = await names();
  expect(others).toEqual([]);
  const schedule = await client.send(new GetScheduleCommand({ GroupName: group, Name }));
  expect(schedule).toMatchObject({ State: 'ENABLED', ActionAfterCompletion: 'DELETE' });
  expect(JSON.parse(schedule.Target?.Input ?? '')).toEqual({ lock });
  const [, due = ''] = /^at\((.*)\)$/.exec(schedule.ScheduleExpression ?? '') ?? [];
  expect(Date.parse(`${due}Z`) - Date.parse(lock.at)).toBeGreaterThanOrEqual(longestLock);

  await armed.disarm();
  expect(await names()).toEqual([]);
  await again.disarm();
});

import { CreateScheduleCommand, DeleteScheduleCommand, SchedulerClient } from '@aws-sdk/client-scheduler';
import { mockClient } from 'aws-sdk-client-mock';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { SchedulerLockWatchdog } from '../../../../src/adapters/aws/scheduler-lock-watchdog.ts';
import { noLogger } from '../../../support/no-logger.ts';
import { VirtualClock } from '../../../support/virtual-clock.ts';

const scheduler = mockClient(SchedulerClient);
const warn = vi.fn();
const watchdog = new SchedulerLockWatchdog({
  client: new SchedulerClient({ region: 'eu-central-1' }),
  clock: new VirtualClock({ start: new Date('2026-11-22T23:59:30.001Z') }),
  logger: { ...noLogger, warn },
  ...{ group: 'holdfast-prod-locks', target: 'arn:aws:lambda:::ensure-unlocked', role: 'arn:aws:iam:::role/r' },
});
const lock = { run: 'run-1', member: 'db-3.internal:27017', at: '2026-11-22T23:59:30.001Z' };
const fault = (name: string) => Object.assign(new Error('no'), { name });
const made = () => scheduler.commandCalls(CreateScheduleCommand).map(({ args }) => args[0].input);

beforeEach(() => {
  scheduler.reset();
  warn.mockReset();
});

describe('SchedulerLockWatchdog', () => {
  it('makes a schedule for the end of the longest lock, which names that one lock and goes by itself', async () => {
    await watchdog.arm(lock);
    expect(made()).toEqual([
      {
        Name: expect.stringMatching(/^lock-[0-9a-f]{40}$/) as string,
        GroupName: 'holdfast-prod-locks',
        ClientToken: made()[0]?.Name,
        Description: 'Holdfast: gives back the lock of run-1 on db-3.internal:27017',
        // Never before the minute is over.
        ScheduleExpression: 'at(2026-11-23T00:00:31)',
        ScheduleExpressionTimezone: 'UTC',
        FlexibleTimeWindow: { Mode: 'OFF' },
        ActionAfterCompletion: 'DELETE',
        Target: {
          Arn: 'arn:aws:lambda:::ensure-unlocked',
          RoleArn: 'arn:aws:iam:::role/r',
          Input: JSON.stringify({ lock }),
          RetryPolicy: { MaximumEventAgeInSeconds: 3600, MaximumRetryAttempts: 185 },
        },
      },
    ]);
  });

  it('deletes that schedule, and no other', async () => {
    const armed = await watchdog.arm(lock);
    const later = await watchdog.arm({ ...lock, at: '2026-11-22T23:59:50.001Z' });
    const [first, second] = made().map(({ Name }) => Name);
    expect(first).not.toBe(second);
    await armed.disarm();
    await later.disarm();
    expect(scheduler.commandCalls(DeleteScheduleCommand).map(({ args }) => args[0].input)).toEqual([
      { Name: first, GroupName: 'holdfast-prod-locks' },
      { Name: second, GroupName: 'holdfast-prod-locks' },
    ]);
  });

  it('is armed by a schedule whose answer was lost', async () => {
    scheduler.on(CreateScheduleCommand).rejects(fault('ConflictException'));
    await (await watchdog.arm(lock)).disarm();
    expect(scheduler.commandCalls(DeleteScheduleCommand)).toHaveLength(1);
  });

  it.each([
    ['ThrottlingException', 'WorkerLost'],
    ['AccessDeniedException', 'PermissionDenied'],
    ['TimeoutError', 'WorkerLost'],
  ])('lets nothing be locked where it can’t be armed: %s is %s', async (name, error) => {
    scheduler.on(CreateScheduleCommand).rejects(fault(name));
    await expect(watchdog.arm(lock)).rejects.toMatchObject({
      name: error,
      message: expect.stringMatching(/not locked: .*no/) as string,
    });
  });

  it('that has called already is gone; one that can’t be deleted now is no fault of the work', async () => {
    const armed = await watchdog.arm(lock);
    scheduler.on(DeleteScheduleCommand).rejectsOnce(fault('ResourceNotFoundException')).rejects(fault('Throttling'));
    await armed.disarm();
    expect(warn).not.toHaveBeenCalled();
    await armed.disarm();
    expect(warn).toHaveBeenCalledWith(expect.stringContaining('will find nothing'), expect.objectContaining(lock));
  });
});

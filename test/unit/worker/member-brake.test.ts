import { expect, test } from 'vitest';
import { makeMemberBrake } from '../../../worker/member-brake.ts';
import { deploymentSettings } from '../../support/deployment-settings.ts';
import { noLogger } from '../../support/no-logger.ts';
import { VirtualClock } from '../../support/virtual-clock.ts';

const never = new AbortController().signal;
const mebibyte = 2 ** 20;

test('the bandwidth of the config bounds the dump; nothing was held back by the member, so nothing is said of it', async () => {
  const clock = new VirtualClock({ autoAdvance: true });
  const settings = deploymentSettings({ uri: 'mongodb://db-3', limits: { parallel: 4, bandwidth: mebibyte } });
  const { brake, warnings } = makeMemberBrake('db-3:27017', settings, {
    ...{ clock, logger: noLogger, onChange: () => undefined },
  });
  const start = clock.now().getTime();
  await brake.take(60 * mebibyte, never);
  expect((clock.now().getTime() - start) / 1000).toBe(60);
  expect(warnings()).toEqual([]);
});

test('without one it takes no time', async () => {
  const clock = new VirtualClock();
  const { brake } = makeMemberBrake('db-3:27017', deploymentSettings({ uri: 'mongodb://db-3' }), {
    ...{ clock, logger: noLogger, onChange: () => undefined },
  });
  await brake.take(60 * mebibyte, never);
  expect(clock.pending).toEqual([]);
});

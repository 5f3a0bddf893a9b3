import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { longestLock } from '../../../../src/domain/member-lock.ts';
import * as clients from '../../../../src/adapters/aws/service-clients.ts';

beforeAll(() => vi.stubEnv('AWS_REGION', 'eu-central-1'));
afterAll(() => vi.unstubAllEnvs());

const { openEc2Once, ...usual } = clients;
it.each(Object.entries(usual))(
  '%s: a call that nobody answers fails before a heartbeat is missed',
  async (_name, open) => {
    const { requestHandler } = open().config as unknown as { requestHandler: { configProvider: Promise<object> } };
    expect(await requestHandler.configProvider).toMatchObject({ connectionTimeout: 10_000, socketTimeout: 30_000 });
  },
);

it('a snapshot of a locked member is given up by the limit of the lock, not by that of the call before', async () => {
  const { requestHandler, maxAttempts } = openEc2Once().config;
  const { configProvider } = requestHandler as unknown as { configProvider: Promise<{ socketTimeout: number }> };
  expect((await configProvider).socketTimeout).toBeGreaterThan(longestLock);
  expect(await maxAttempts()).toBe(1);
});

import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import * as clients from '../../../../src/adapters/aws/service-clients.ts';

beforeAll(() => vi.stubEnv('AWS_REGION', 'eu-central-1'));
afterAll(() => vi.unstubAllEnvs());

it.each(Object.entries(clients))(
  '%s: a call that nobody answers fails before a heartbeat is missed',
  async (_name, open) => {
    const { requestHandler } = open().config as unknown as { requestHandler: { configProvider: Promise<object> } };
    expect(await requestHandler.configProvider).toMatchObject({ connectionTimeout: 10_000, socketTimeout: 30_000 });
  },
);

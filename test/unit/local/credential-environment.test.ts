import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { CredentialEnvironment } from '../../../local/credential-environment.ts';
import { type Settings, settingsSchema } from '../../../src/domain/settings.ts';

beforeEach(() => {
  vi.stubEnv('AWS_PROFILE', 'backups');
  vi.stubEnv('MINIO_KEY', 'id:secret');
  vi.stubEnv('UNRELATED', 'x');
});
afterEach(() => {
  vi.unstubAllEnvs();
});

const settingsWith = (storage: object): Settings =>
  settingsSchema.parse({
    ...{ schemaVersion: 1, stage: 'test', stateDir: '/state', deployments: {} },
    storages: { s: { name: 's', type: 's3', bucket: 'b', prefix: '', region: 'r', forcePathStyle: true, ...storage } },
  });

test('workers get the variable that a storage names, and none of AWS', () => {
  const { values } = new CredentialEnvironment(settingsWith({ credentials: { env: 'MINIO_KEY' } }));
  expect(values).toEqual({ MINIO_KEY: 'id:secret' });
});

test("workers get the variables of the AWS SDK where a storage leaves its credentials to the SDK's chain", () => {
  const { values } = new CredentialEnvironment(settingsWith({}));
  expect(values).toMatchObject({ AWS_PROFILE: 'backups' });
  expect(Object.keys(values).filter((name) => !name.startsWith('AWS_'))).toEqual([]);
});

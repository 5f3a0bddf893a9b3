import { describe, expect, test } from 'vitest';
import { ebsSettingsSchema } from '../../../src/domain/ebs-settings.ts';
import type { PlannedVolume } from '../../../src/domain/run.ts';
import { grantedKeys, withKey } from '../../../src/domain/volume-keys.ts';
import { volumeRequestSchema } from '../../../src/domain/volume-target.ts';
import { worldSettings } from '../../support/backup-world.ts';

const keyOf = (account: string) => `arn:aws:kms:eu-central-1:${account}:key/1234-ab`;
const [own, foreign] = [keyOf('111122223333'), keyOf('999988887777')];
const volume = (key?: string, more: Partial<PlannedVolume> = {}): PlannedVolume => ({
  ...{
    type: 'ebs',
    volumes: ['vol-1'],
    instance: 'i-1',
    filesystem: 'xfs',
    dataPath: '',
    atOnce: true,
    reason: 'vol-1',
  },
  attached: { devices: [], others: [], account: '111122223333', ...(key !== undefined && { key }) },
  ...more,
});

describe('keys of volumes', () => {
  test('granted are those that any deployment names, each once', () => {
    const [orders] = Object.values(worldSettings.deployments);
    if (orders === undefined) throw new Error('no deployment');
    const withKeys = (kmsKeys: string[]) => ({ ...orders, ebs: ebsSettingsSchema.parse({ kmsKeys }) });
    const deployments = { a: withKeys([own, foreign]), b: withKeys([own]), c: orders };
    expect(grantedKeys({ deployments })).toEqual([own, foreign]);
  });

  test.each([
    ['no key', volume(), []],
    ['a key that is granted', volume(foreign), [foreign]],
    ['several volumes, which no worker reads', volume(foreign, { volumes: ['vol-1', 'vol-2'] }), []],
    ['what no worker can mount anyway', volume(foreign, { unmountable: 'a partition' }), []],
    ['a directory', volume(undefined, { type: 'directory' }), []],
  ])('%s: nothing is to be said', (_, given, granted) => {
    expect(withKey(given, granted)).toBe(given);
  });

  test('a key of another account that is not granted keeps workers away, and not the snapshot', () => {
    expect(withKey(volume(foreign), [own]).unmountable).toMatch(/999988887777.* of another account.*ebs\.kmsKeys/);
  });

  test("a key of the same account may be AWS's own: it is said", () => {
    for (const given of [volume(own), { ...volume(own), attached: { devices: [], others: [], key: foreign } }]) {
      const { reason, unmountable } = withKey(given);
      expect(reason).toMatch(/vol-1; it is encrypted with arn:.*not under ebs\.kmsKeys.*aws\/ebs/);
      expect(unmountable).toBeUndefined();
    }
  });

  test('are named by their ARNs: an alias can be granted to nobody', () => {
    const alias = 'arn:aws:kms:eu-central-1:111122223333:alias/volumes';
    expect(ebsSettingsSchema.safeParse({ kmsKeys: [alias] }).success).toBe(false);
    expect(volumeRequestSchema.safeParse({ kmsKey: alias }).success).toBe(false);
    expect(volumeRequestSchema.safeParse({ kmsKey: own }).success).toBe(true);
  });
});

import { mkdtempSync, readFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as cdk from 'aws-cdk-lib';
import { Template } from 'aws-cdk-lib/assertions';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { publishConfig } from '../../lib/publish-config.ts';
import { makeStageKey } from '../../lib/stage-key.ts';
import { StageStorage } from '../../lib/storage/stage-storage.ts';
import { settingsSchema } from '../../src/domain/settings.ts';
import { stageSettings } from '../support/aws/synthesise.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'holdfast-storage-key-'));
});
afterAll(async () => {
  await rm(folder, { recursive: true });
});

const settings = settingsSchema.parse({
  ...stageSettings,
  storages: {
    primary: { name: 'primary', type: 's3', prefix: '', forcePathStyle: false, kmsKey: 'create' },
    other: { name: 'other', type: 's3', prefix: '', forcePathStyle: false },
  },
});

function build() {
  const file = readFileSync(new URL('../../cdk.json', import.meta.url), 'utf8');
  const { context } = JSON.parse(file) as { context: Record<string, unknown> };
  const stack = new cdk.Stack(new cdk.App({ context }), 'Stack');
  const storage = new StageStorage(stack, 'Storage', { settings, key: makeStageKey(stack, 'test') });
  publishConfig(stack, settings, folder);
  return { stack, storage, template: Template.fromStack(stack) };
}

describe('kmsKey: create', () => {
  it('makes a key for the storage’s bucket, which stays when the stack goes; other buckets have the stage’s', () => {
    const { template } = build();
    template.resourceCountIs('AWS::KMS::Key', 2);
    template.hasResource('AWS::KMS::Key', {
      Properties: { Description: 'Holdfast test: backups in the storage primary', EnableKeyRotation: true },
      DeletionPolicy: 'Retain',
    });
    template.hasResourceProperties('AWS::KMS::Alias', { AliasName: 'alias/holdfast-test-primary' });
    const keys = Object.entries(template.findResources('AWS::S3::Bucket')).flatMap(([id, { Properties }]) => {
      const key = JSON.stringify(Properties).match(/"KMSMasterKeyID":\{"Fn::GetAtt":\["([^"]+)"/)?.[1];
      return key === undefined ? [] : [[id.replace(/Bucket[0-9A-F]{8}$/, ''), key.replace(/[0-9A-F]{8}$/, '')]];
    });
    expect(Object.fromEntries(keys)).toEqual({
      ...{ StorageState: 'Key', StorageArtifactsprimary: 'StorageKeyprimary', StorageArtifactsother: 'Key' },
    });
  });

  it('is told to those who grant, and not to those who write: it is the bucket’s default', () => {
    const { stack, storage } = build();
    const [primary, other] = storage.artifacts;
    expect(JSON.stringify(stack.resolve(primary?.kmsKeyArn))).toContain('StorageKeyprimary');
    expect(other?.kmsKeyArn).toBeUndefined();
    const published = JSON.parse(readFileSync(join(folder, 'config.json'), 'utf8')) as typeof settings;
    expect(published.storages['primary']).not.toHaveProperty('kmsKey');
    expect(published.storages['other']).toEqual(settings.storages['other']);
  });
});

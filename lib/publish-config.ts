import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as assets from 'aws-cdk-lib/aws-s3-assets';
import type { Construct } from 'constructs';
import { canonicalJson } from '../src/domain/canonical-json.ts';
import { createdKey, type Settings } from '../src/domain/settings.ts';

/** The config as an object of S3, named after its content: a run begins with the one that its functions were deployed with. */
export function publishConfig(
  scope: Construct,
  settings: Settings,
  folder: string,
): { uri: string; objectArn: string } {
  mkdirSync(folder, { recursive: true });
  const path = join(folder, 'config.json');
  // Where the config was deployed from is nobody's business in AWS, and would change the object.
  writeFileSync(path, canonicalJson({ ...settings, storages: withoutCreatedKeys(settings), stateDir: '.holdfast' }));
  const { bucket, s3ObjectKey, s3ObjectUrl } = new assets.Asset(scope, 'Config', { path });
  return { uri: s3ObjectUrl, objectArn: bucket.arnForObjects(s3ObjectKey) };
}

/** The key is the bucket's default: nobody has to name it. */
function withoutCreatedKeys({ storages }: Settings): unknown {
  const published = Object.entries(storages).map(([name, storage]) => {
    const created = storage.type === 's3' && storage.kmsKey === createdKey;
    return [name, created ? { ...storage, kmsKey: undefined } : storage] as const;
  });
  return Object.fromEntries(published);
}

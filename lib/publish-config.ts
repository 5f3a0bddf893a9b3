import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as assets from 'aws-cdk-lib/aws-s3-assets';
import type { Construct } from 'constructs';
import { canonicalJson } from '../src/domain/canonical-json.ts';
import type { Settings } from '../src/domain/settings.ts';

/** The config as an object of S3, named after its content: a run begins with the one that its functions were deployed with. */
export function publishConfig(
  scope: Construct,
  settings: Settings,
  folder: string,
): { uri: string; objectArn: string } {
  mkdirSync(folder, { recursive: true });
  const path = join(folder, 'config.json');
  // Where the config was deployed from is nobody's business in AWS, and would change the object.
  writeFileSync(path, canonicalJson({ ...settings, stateDir: '.holdfast' }));
  const { bucket, s3ObjectKey, s3ObjectUrl } = new assets.Asset(scope, 'Config', { path });
  return { uri: s3ObjectUrl, objectArn: bucket.arnForObjects(s3ObjectKey) };
}

import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { loadConfig } from '../../src/config/load-config.ts';
import { sharedStage } from '../support/aws/shared-stage.ts';
import { synthesise } from '../support/aws/synthesise.ts';
import { readTemplate, resourcesOf, type Template } from '../support/aws/template.ts';

/** What `npm run deploy -- -c config=examples/…` would make. */
async function synthesised(name: string): Promise<Template> {
  const settings = await loadConfig(join(import.meta.dirname, '../../examples', name));
  return readTemplate(synthesise(join(sharedStage().outdir, name), settings));
}

describe('the examples', () => {
  it('of a replica set makes a bucket, and a schedule', async () => {
    const template = await synthesised('aws.config.yaml');
    expect(resourcesOf(template, 'AWS::Scheduler::Schedule')).toHaveLength(1);
    expect(resourcesOf(template, 'AWS::S3::Bucket').map(([id]) => id)).toContainEqual(
      expect.stringContaining('Artifactsprimary'),
    );
    // Nobody locks: the function is there, because the workflow calls it, and may do nothing about locks.
    expect(JSON.stringify(template)).toContain('-ensure-unlocked');
    expect(JSON.stringify(template)).not.toMatch(/scheduler:CreateSchedule|-locks"|\/locks\/|LockWatchdog/);
  });

  it('of MinIO makes no bucket for artifacts, and lets whatever reads its access key reach it', async () => {
    const template = await synthesised('minio.config.yaml');
    expect(resourcesOf(template, 'AWS::S3::Bucket').filter(([id]) => id.includes('Artifacts'))).toEqual([]);
    const readers = resourcesOf(template, 'AWS::IAM::Policy')
      .filter(([, { Properties }]) => JSON.stringify(Properties).includes('secret:minio-key'))
      .flatMap(([, { Properties }]) => (Properties['Roles'] as { Ref: string }[]).map(({ Ref }) => Ref));
    const functions = resourcesOf(template, 'AWS::Lambda::Function').filter(([, { Properties }]) =>
      readers.includes((Properties['Role'] as { 'Fn::GetAtt': [string] })['Fn::GetAtt'][0]),
    );
    expect(functions.map(([id]) => id.replace(/^Functions|Function[0-9A-F]{8}$/g, ''))).toContain('CompleteBackup');
    expect(functions.filter(([, { Properties }]) => Properties['VpcConfig'] === undefined)).toEqual([]);
  });
});

import { expect, it } from 'vitest';
import { sharedStage } from '../support/aws/shared-stage.ts';

it('deleting the stack leaves every bucket and the key, and nothing empties them', () => {
  const resources = Object.entries(sharedStage().template.Resources);
  const holding = resources.filter(([, { Type }]) => ['AWS::S3::Bucket', 'AWS::KMS::Key'].includes(Type));
  expect(holding.map(([, { Type }]) => Type).sort()).toEqual([
    'AWS::KMS::Key',
    'AWS::S3::Bucket',
    'AWS::S3::Bucket',
    'AWS::S3::Bucket',
  ]);
  for (const [id, resource] of holding) {
    expect(resource.DeletionPolicy, id).toBe('Retain');
    expect(resource.UpdateReplacePolicy, id).toBe('Retain');
  }
  expect(resources.filter(([, { Type }]) => Type.startsWith('Custom::'))).toEqual([]);
});

import { join } from 'node:path';
import * as cdk from 'aws-cdk-lib';
import * as iam from 'aws-cdk-lib/aws-iam';
import * as kms from 'aws-cdk-lib/aws-kms';
import { AwsSolutionsChecks } from 'cdk-nag';
import { expect, it } from 'vitest';
import { HoldfastStage } from '../../lib/stage-stack.ts';
import { sharedStage } from '../support/aws/shared-stage.ts';
import { stageSettings } from '../support/aws/synthesise.ts';
import { readTemplate, resourcesOf } from '../support/aws/template.ts';

/** The app of docs/developer-guide/constructs.md: backups as a part of a stack that has other things, with its own key. */
class ShopStack extends cdk.Stack {
  constructor(scope: cdk.App, id: string) {
    super(scope, id);
    const encryptionKey = new kms.Key(this, 'Key', { enableKeyRotation: true });
    const backups = new HoldfastStage(this, 'Backups', { settings: stageSettings, encryptionKey });
    const { backup } = backups.workflows.all;
    const role = new iam.Role(this, 'Deployer', { assumedBy: new iam.ServicePrincipal('lambda.amazonaws.com') });
    backup.stateMachine.grantStartExecution(role);
  }
}

it('a stage is a part of another app’s stack, with that stack’s key and no flags of the app', () => {
  const outdir = join(sharedStage().outdir, 'own-app');
  const app = new cdk.App({ outdir });
  new ShopStack(app, 'shop');
  cdk.Validations.of(app).addPlugins(new AwsSolutionsChecks(app));
  app.synth();
  const template = readTemplate(join(outdir, 'shop.template.json'));
  const [[, key] = []] = resourcesOf(template, 'AWS::KMS::Key');
  expect(resourcesOf(template, 'AWS::KMS::Key')).toHaveLength(1);
  expect(JSON.stringify(key?.Properties['KeyPolicy'])).toContain('kms:EncryptionContext:aws:logs:arn');
  expect(resourcesOf(template, 'AWS::Lambda::Function')).toHaveLength(
    resourcesOf(sharedStage().template, 'AWS::Lambda::Function').length,
  );
  const policies = resourcesOf(template, 'AWS::IAM::Policy').filter(([id]) => id.startsWith('Deployer'));
  expect(JSON.stringify(policies)).toContain('states:StartExecution');
});

import * as cdk from 'aws-cdk-lib';
import { AwsSolutionsChecks } from 'cdk-nag';
import { StageStack } from '../lib/stage-stack.ts';
import { loadConfig } from '../src/config/load-config.ts';
import { stageNames } from '../src/domain/names.ts';

const app = new cdk.App();
const path: unknown = app.node.tryGetContext('config');
const settings = await loadConfig(typeof path === 'string' ? path : 'holdfast.config.yaml');
new StageStack(app, stageNames.stack(settings.stage), { settings });
cdk.Validations.of(app).addPlugins(new AwsSolutionsChecks(app));

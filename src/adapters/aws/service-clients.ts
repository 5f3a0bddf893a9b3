import { EC2Client } from '@aws-sdk/client-ec2';
import { ECSClient } from '@aws-sdk/client-ecs';
import { EventBridgeClient } from '@aws-sdk/client-eventbridge';
import { SchedulerClient } from '@aws-sdk/client-scheduler';
import { SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { SFNClient } from '@aws-sdk/client-sfn';

/** Clients of AWS services with the Region, the role and the endpoints of the process; a bundle holds only those that it uses. */
/** @param maxAttempts of each call; the SDK's usual three when left out */
export const openEc2 = (maxAttempts?: number): EC2Client =>
  new EC2Client(maxAttempts === undefined ? {} : { maxAttempts });
export const openEcs = (): ECSClient => new ECSClient({});
export const openEventBridge = (): EventBridgeClient => new EventBridgeClient({});
export const openScheduler = (): SchedulerClient => new SchedulerClient({});
export const openSecretsManager = (): SecretsManagerClient => new SecretsManagerClient({});
/** @param maxAttempts of each call; the SDK's usual three when left out */
export const openSfn = (maxAttempts?: number): SFNClient =>
  new SFNClient(maxAttempts === undefined ? {} : { maxAttempts });

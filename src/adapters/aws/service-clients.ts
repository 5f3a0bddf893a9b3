import { EC2Client } from '@aws-sdk/client-ec2';
import { ECSClient } from '@aws-sdk/client-ecs';
import { EventBridgeClient } from '@aws-sdk/client-eventbridge';
import { SchedulerClient } from '@aws-sdk/client-scheduler';
import { SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { SFNClient } from '@aws-sdk/client-sfn';
import { usualPatience } from './s3-place.ts';

/**
 * The SDK waits a quarter of an hour for an answer that does not come: a worker that beats would long count as lost, and a
 * function would have ended.
 */
const requestHandler = { connectionTimeout: usualPatience.connectMs, socketTimeout: usualPatience.idleMs };

/** Longer than a member may be locked for its snapshot: that limit is the one that ends the call, and is not tried again. */
const onceHandler = { ...requestHandler, socketTimeout: 90_000 };

/** Clients of AWS services with the Region, the role and the endpoints of the process; a bundle holds only those that it uses. */
export const openEc2 = (): EC2Client => new EC2Client({ requestHandler });
/** One that sends each request once. */
export const openEc2Once = (): EC2Client => new EC2Client({ requestHandler: onceHandler, maxAttempts: 1 });
export const openEcs = (): ECSClient => new ECSClient({ requestHandler });
export const openEventBridge = (): EventBridgeClient => new EventBridgeClient({ requestHandler });
export const openScheduler = (): SchedulerClient => new SchedulerClient({ requestHandler });
export const openSecretsManager = (): SecretsManagerClient => new SecretsManagerClient({ requestHandler });
/** @param maxAttempts of each call; the SDK's usual three when left out */
export const openSfn = (maxAttempts?: number): SFNClient =>
  new SFNClient({ requestHandler, ...(maxAttempts !== undefined && { maxAttempts }) });

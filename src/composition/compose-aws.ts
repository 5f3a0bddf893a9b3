import packageJson from '../../package.json' with { type: 'json' };
import { EcsWorkerLauncher, type WorkerVolumeOptions } from '../adapters/aws/ecs-worker-launcher.ts';
import { EventBridgeEventPublisher } from '../adapters/aws/eventbridge-event-publisher.ts';
import { openEcs, openEventBridge, openSfn } from '../adapters/aws/service-clients.ts';
import { SfnExecutions } from '../adapters/aws/sfn-executions.ts';
import { SfnExecutionStarter } from '../adapters/aws/sfn-execution-starter.ts';
import { SfnRunHistory } from '../adapters/aws/sfn-run-history.ts';
import { SfnTaskCallbacks } from '../adapters/aws/sfn-task-callbacks.ts';
import { JsonLogger } from '../adapters/process/json-logger.ts';
import { SystemClock } from '../adapters/process/system-clock.ts';
import type { StepDeps } from '../application/bind.ts';
import { readDocument } from '../application/documents.ts';
import type { Clock } from '../application/ports/clock.ts';
import type { EventPublisher } from '../application/ports/event-publisher.ts';
import type { ExecutionStarter } from '../application/ports/execution-starter.ts';
import type { Executions } from '../application/ports/executions.ts';
import type { Logger } from '../application/ports/logger.ts';
import type { RunHistory, RunRecord } from '../application/ports/run-history.ts';
import type { TaskCallbacks } from '../application/ports/task-callbacks.ts';
import type { VolumeSnapshots } from '../application/ports/volume-snapshots.ts';
import type { WorkerLauncher } from '../application/ports/worker-launcher.ts';
import type { UnmarkTarget } from '../application/restore-target.ts';
import type { OpenStorage } from '../application/run-folder.ts';
import { awsCaptureWait } from '../domain/capture-wait.ts';
import { HoldfastError } from '../domain/errors.ts';
import { resourceTags } from '../domain/names.ts';
import type { BackupPlan } from '../domain/run.ts';
import { type Settings, settingsSchema } from '../domain/settings.ts';
import { awsState, awsStorages, openSecrets } from './aws-storages.ts';

/**
 * What functions on AWS work with. Each takes only the parts that it needs: a client that isn't asked for is neither in its
 * bundle nor opened, and its role needs no grant for it.
 */
export function composeStep({ STATE_BUCKET }: { readonly STATE_BUCKET: string }): StepDeps {
  return { state: awsState(STATE_BUCKET), ...composeLogger() };
}

export function composeStorages(): { readonly openStorage: OpenStorage } {
  return { openStorage: awsStorages(openSecrets()) };
}

export function composeLogger(): { readonly clock: Clock; readonly logger: Logger } {
  const clock = new SystemClock();
  return { clock, logger: new JsonLogger({ clock }) };
}

/** Loads the published config, once: it is named after its content. */
export function composeConfig(env: {
  readonly CONFIG_URI: string;
  readonly STORAGE_BUCKETS: string;
}): () => Promise<Settings> {
  let loaded: Promise<Settings> | undefined;
  return () => {
    // One that could not be read now may be read by the next try of the state.
    loaded ??= loadSettings(env).catch((error: unknown) => {
      loaded = undefined;
      throw error;
    });
    return loaded;
  };
}

async function loadSettings(env: { readonly CONFIG_URI: string; readonly STORAGE_BUCKETS: string }): Promise<Settings> {
  const { hostname, pathname } = new URL(env.CONFIG_URI);
  const settings = await readDocument(awsState(hostname), pathname.slice(1), settingsSchema);
  const buckets = new Map(env.STORAGE_BUCKETS.split(',').map((pair) => pair.split('=', 2) as [string, string]));
  const storages = Object.entries(settings.storages).map(([name, storage]) => {
    const bucket = buckets.get(name);
    return [name, bucket === undefined ? storage : { ...storage, bucket }] as const;
  });
  return settingsSchema.parse({ ...settings, storages: Object.fromEntries(storages) });
}

export function composeExecutions(env: { readonly STATE_MACHINE_ARNS: readonly string[] }): {
  readonly executions: Executions;
} {
  return { executions: new SfnExecutions(openSfn(), env.STATE_MACHINE_ARNS) };
}

export function composeHistory(env: { readonly STATE_MACHINE_ARNS: readonly string[] }): {
  readonly history: RunHistory;
} {
  return { history: new SfnRunHistory(openSfn(), env.STATE_MACHINE_ARNS) };
}

/** @param machines the ARNs of those that the function may start */
export function composeStarter(machines: Readonly<Partial<Record<RunRecord['workflow'], string>>>): {
  readonly starter: ExecutionStarter;
} {
  return { starter: new SfnExecutionStarter(openSfn(), machines) };
}

interface LauncherEnvironment {
  readonly CLUSTER_ARN: string;
  readonly TASK_DEFINITION_ARN: string;
  readonly SUBNET_IDS: readonly string[];
  readonly SECURITY_GROUP_IDS: readonly string[];
}

/** @param volumes only for who launches workers with a volume */
export function composeLauncher(
  env: LauncherEnvironment,
  volumes?: WorkerVolumeOptions,
): { readonly launcher: WorkerLauncher } {
  return {
    launcher: new EcsWorkerLauncher({
      ...(volumes && { volumes }),
      client: openEcs(),
      clock: new SystemClock(),
      cluster: env.CLUSTER_ARN,
      taskDefinition: env.TASK_DEFINITION_ARN,
      subnets: env.SUBNET_IDS,
      securityGroups: env.SECURITY_GROUP_IDS,
    }),
  };
}

/** For the function that launches workers of all kinds. */
export function composeVolumeLauncher(
  env: LauncherEnvironment & {
    readonly STAGE: string;
    readonly VOLUME_TASK_DEFINITIONS: Readonly<Record<string, string>>;
    readonly INFRASTRUCTURE_ROLE_ARN: string;
  },
): { readonly launcher: WorkerLauncher; readonly volumeTags: Readonly<Record<string, string>> } {
  const volumes = { definitions: env.VOLUME_TASK_DEFINITIONS, infrastructureRole: env.INFRASTRUCTURE_ROLE_ARN };
  return { ...composeLauncher(env, volumes), volumeTags: { [resourceTags.stage]: env.STAGE } };
}

export function composeEvents(): { readonly events: EventPublisher } {
  return { events: new EventBridgeEventPublisher(openEventBridge()) };
}

/** An answer is worth more tries than the SDK's usual three: the work of hours hangs on it. */
export function composeCallbacks(): { readonly callbacks: TaskCallbacks } {
  return { callbacks: new SfnTaskCallbacks(openSfn(10)) };
}

export function composeRelease(): { readonly toolVersion: string } {
  return { toolVersion: packageJson.version };
}

/** For a function that settles backups alone: it has no way to a restore's target, and needs none. */
export function composeNoTarget(): { readonly unmarkTarget: UnmarkTarget } {
  return {
    unmarkTarget: () => Promise.reject(new HoldfastError('Internal', 'this function settles no restore')),
  };
}

/** For a function that has no way to a member: whoever locks one is another, and gives it back itself. */
export function composeNoSource(): { readonly unlockMembers: (runId: string) => Promise<unknown> } {
  return { unlockMembers: () => Promise.resolve() };
}

/** For a function that settles restores alone: they make no snapshots. */
export function composeNoSnapshots(): { readonly volumes: Pick<VolumeSnapshots, 'delete'> } {
  return { volumes: { delete: () => Promise.resolve() } };
}

export function composePlan(): { readonly captureWait: BackupPlan['captureWait'] } {
  return { captureWait: awsCaptureWait };
}

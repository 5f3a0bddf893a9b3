import { join } from 'node:path';
import * as cdk from 'aws-cdk-lib';
import type * as kms from 'aws-cdk-lib/aws-kms';
import type * as sns from 'aws-cdk-lib/aws-sns';
import { Construct } from 'constructs';
import type { NetworkSettings, Settings } from '../src/domain/settings.ts';
import { grantedKeys } from '../src/domain/volume-keys.ts';
import { StageApi } from './api/stage-api.ts';
import { bundleFunctions } from './functions/bundle-functions.ts';
import { grantFunctions, grantWorker } from './functions/function-permissions.ts';
import type { PrivateNetwork } from './functions/app-function.ts';
import type { GrantsProps } from './functions/grants-props.ts';
import { StageFunctions, type StageVariables } from './functions/stage-functions.ts';
import { importNetwork, PrivateEndpoints } from './network/private-network.ts';
import { OutcomeTopic } from './notifications/outcome-topic.ts';
import { lockedDeployments } from './permissions/lock-permissions.ts';
import { StagePermissions } from './permissions/stage-permissions.ts';
import { publishConfig } from './publish-config.ts';
import { letLogsUse, makeStageKey } from './stage-key.ts';
import { BackupSchedules } from './starting/backup-schedules.ts';
import { Housekeeping } from './starting/housekeeping.ts';
import { LockWatchdog } from './starting/lock-watchdog.ts';
import { OplogArchives } from './starting/oplog-archives.ts';
import { SweepMetrics } from './starting/sweep-metrics.ts';
import { StageStorage } from './storage/stage-storage.ts';
import { buildWorkerImage } from './worker/build-worker-image.ts';
import { WorkerTasks } from './worker/worker-tasks.ts';
import { machineArns, StageWorkflows } from './workflows/stage-workflows.ts';

export interface HoldfastStageProps {
  /** The checked config, as src/config/load-config.ts gives it. */
  readonly settings: Settings;
  /** The stage's key; left out, one is made, which stays when the stack goes. */
  readonly encryptionKey?: kms.Key;
}

/** What the constructs rely on, in whatever app they are: the same as in cdk.json. */
const featureFlags = [
  '@aws-cdk/aws-s3:serverAccessLogsUseBucketPolicy',
  '@aws-cdk/aws-s3:createDefaultLoggingPolicy',
  '@aws-cdk/aws-lambda:useCdkManagedLogGroup',
  '@aws-cdk/aws-iam:minimizePolicies',
  '@aws-cdk/aws-iam:standardizedServicePrincipals',
];

/**
 * One installation of Holdfast, in any stack: storage, functions, workflows, workers, and what starts them. Names in AWS come
 * from the config's stage, so that a region of an account has each stage once.
 */
export class HoldfastStage extends Construct {
  readonly storage: StageStorage;
  readonly worker: WorkerTasks;
  readonly functions: StageFunctions;
  readonly workflows: StageWorkflows;
  readonly api: StageApi;

  constructor(scope: Construct, id: string, { settings, encryptionKey }: HoldfastStageProps) {
    super(scope, id);
    for (const flag of featureFlags) this.node.setContext(flag, true);
    const { stage } = settings;
    const key = this.#keyFor(stage, encryptionKey);
    const network = importNetwork(this, networkOf(settings));
    const locks = lockedDeployments(settings).length > 0;
    if (settings.network?.createEndpoints === true) new PrivateEndpoints(this, 'Endpoints', { ...network, locks });
    this.storage = new StageStorage(this, 'Storage', { settings, key });
    const { stateBucket, artifacts, madeBuckets } = this.storage;
    const built = join(cdk.Stage.of(this)?.outdir ?? 'cdk.out', 'built');
    const environment = { STATE_BUCKET: stateBucket.bucketName };
    const imageFolder = buildWorkerImage(join(built, 'image'));
    const mongodbVersions = versionsIn(settings);
    this.worker = new WorkerTasks(this, 'Worker', {
      ...{ stage, key, network, imageFolder, mongodbVersions, environment },
      volumeKeys: grantedKeys(settings),
    });
    const watchdog = locks ? new LockWatchdog(this, 'LockWatchdog', { stage }) : undefined;
    const config = publishConfig(this, settings, built);
    const arns = machineArns(cdk.Stack.of(this), stage);
    this.functions = new StageFunctions(this, 'Functions', {
      ...{ stage, key, network },
      privateStorages: artifacts.some(({ bucketArn }) => bucketArn === undefined),
      code: bundleFunctions(join(built, 'functions')),
      variables: functionVariables({
        ...{ stage, network, config, arns, madeBuckets, watchdog, worker: this.worker },
        state: environment,
      }),
    });
    const permissions = new StagePermissions({ settings, key, stateBucket, artifacts });
    this.#grant({
      ...{ stage, settings, permissions, watchdog, worker: this.worker },
      ...{ configObjectArn: config.objectArn, ...arns },
    });
    this.workflows = new StageWorkflows(this, 'Workflows', { stage, key, functionArns: this.functions.arns });
    const { topic } = new OutcomeTopic(this, 'Notifications', { key });
    this.#addStarters(settings, key, topic);
    watchdog?.watch(this.functions.all.EnsureUnlocked.function, topic);
    this.api = new StageApi(this, 'Api', { stage, key, functions: this.functions.byOperation });
    new cdk.CfnOutput(this, 'ApiUrl', { value: this.api.api.apiEndpoint });
  }

  #keyFor(stage: string, given: kms.Key | undefined): kms.Key {
    const key = given ?? makeStageKey(this, stage);
    letLogsUse(key);
    return key;
  }

  #grant(props: Omit<GrantsProps, 'eventBusArn'>): void {
    const stack = cdk.Stack.of(this);
    const eventBusArn = stack.formatArn({ service: 'events', resource: 'event-bus', resourceName: 'default' });
    grantFunctions(this.functions.all, { ...props, eventBusArn });
    grantWorker(this.worker.taskRole, props);
  }

  #addStarters(settings: Settings, key: kms.IKey, topic: sns.ITopic): void {
    const { SweepRuns, SettleEndedRun, ReportStoppedTask, CheckArchives, PruneArchives } = this.functions.all;
    const { undelivered } = new Housekeeping(this, 'Housekeeping', {
      key,
      clusterArn: this.worker.cluster.clusterArn,
      stateMachineArns: Object.values(this.workflows.all).map(({ stateMachine }) => stateMachine.stateMachineArn),
      sweepRuns: SweepRuns.function,
      settleEndedRun: SettleEndedRun.function,
      reportStoppedTask: ReportStoppedTask.function,
    });
    new SweepMetrics(this, 'SweepMetrics', { stage: settings.stage, logGroup: SweepRuns.function.logGroup, topic });
    const backup = this.workflows.all.backup.stateMachine;
    new BackupSchedules(this, 'Schedules', { settings, key, backup, undelivered });
    const archiveOplog = this.workflows.all['archive-oplog'].stateMachine;
    new OplogArchives(this, 'OplogArchives', {
      ...{ settings, archiveOplog, topic },
      checkArchives: CheckArchives.function,
      pruneArchives: PruneArchives.function,
    });
  }
}

interface VariablesProps {
  readonly stage: string;
  readonly state: { readonly STATE_BUCKET: string };
  readonly network: PrivateNetwork;
  readonly config: { readonly uri: string };
  readonly arns: ReturnType<typeof machineArns>;
  readonly madeBuckets: string;
  readonly watchdog: LockWatchdog | undefined;
  readonly worker: WorkerTasks;
}

/** What functions are told of the stage; each takes what its schema names. */
function functionVariables({
  stage,
  state,
  network,
  config,
  arns,
  madeBuckets,
  watchdog,
  worker,
}: VariablesProps): StageVariables {
  const { cluster, taskDefinition, volumeWorkers } = worker;
  return {
    ...state,
    ...lockVariables(watchdog),
    CONFIG_URI: config.uri,
    STORAGE_BUCKETS: madeBuckets,
    STATE_MACHINE_ARNS: arns.machines.join(','),
    BACKUP_MACHINE_ARN: arns.machineArns.backup,
    RESTORE_MACHINE_ARN: arns.machineArns.restore,
    STAGE: stage,
    VPC_ID: network.vpc.vpcId,
    VOLUME_TASK_DEFINITIONS: volumeWorkers?.definitionList ?? '',
    INFRASTRUCTURE_ROLE_ARN: volumeWorkers?.infrastructureRole.roleArn ?? '',
    CLUSTER_ARN: cluster.clusterArn,
    TASK_DEFINITION_ARN: taskDefinition.taskDefinitionArn,
    SUBNET_IDS: network.subnets.map(({ subnetId }) => subnetId).join(','),
    SECURITY_GROUP_IDS: network.securityGroups.map(({ securityGroupId }) => securityGroupId).join(','),
  };
}

function lockVariables(watchdog: LockWatchdog | undefined) {
  return {
    LOCK_SCHEDULE_GROUP: watchdog?.group ?? '',
    LOCK_SCHEDULE_ROLE_ARN: watchdog?.role.roleArn ?? '',
    ENSURE_UNLOCKED_ARN: watchdog?.targetArn ?? '',
  };
}

/** The versions of mongod that deployments name, each once. */
function versionsIn({ deployments }: Settings): readonly string[] {
  const named = Object.values(deployments).flatMap(({ mongodbVersion }) => mongodbVersion ?? []);
  return [...new Set(named)].sort();
}

export interface StageStackProps extends cdk.StackProps, HoldfastStageProps {}

/** A stage as a stack of its own: what `npm run deploy` makes. */
export class StageStack extends cdk.Stack {
  constructor(scope: Construct, id: string, { settings, encryptionKey, ...props }: StageStackProps) {
    super(scope, id, { description: `Holdfast ${settings.stage}: backups of self-managed MongoDB`, ...props });
    // "Default" adds nothing to the logical ids: they are those of the constructs themselves.
    new HoldfastStage(this, 'Default', { settings, ...(encryptionKey && { encryptionKey }) });
  }
}

/** @throws at synth: functions and workers can't reach MongoDB without it */
function networkOf({ network }: Settings): NetworkSettings {
  if (network !== undefined) return network;
  // eslint-disable-next-line no-restricted-syntax -- a fault of the synthesis, which ends with its message
  throw new Error(
    'The config has no network: name vpcId, availabilityZones, privateSubnetIds and securityGroupIds, from where MongoDB can be reached.',
  );
}

import { join } from 'node:path';
import * as cdk from 'aws-cdk-lib';
import type * as kms from 'aws-cdk-lib/aws-kms';
import type { Construct } from 'constructs';
import type { NetworkSettings, Settings } from '../src/domain/settings.ts';
import { bundleFunctions } from './functions/bundle-functions.ts';
import { grantFunctions, grantWorker, type GrantsProps } from './functions/function-permissions.ts';
import { StageFunctions } from './functions/stage-functions.ts';
import { importNetwork, PrivateEndpoints } from './network/private-network.ts';
import { OutcomeTopic } from './notifications/outcome-topic.ts';
import { StagePermissions } from './permissions/stage-permissions.ts';
import { publishConfig } from './publish-config.ts';
import { makeStageKey } from './stage-key.ts';
import { BackupSchedules } from './starting/backup-schedules.ts';
import { Housekeeping } from './starting/housekeeping.ts';
import { StageStorage } from './storage/stage-storage.ts';
import { buildWorkerImage } from './worker/build-worker-image.ts';
import { WorkerTasks } from './worker/worker-tasks.ts';
import { machineArns, StageWorkflows } from './workflows/stage-workflows.ts';

export interface StageStackProps extends cdk.StackProps {
  /** The checked config, as src/config/load-config.ts gives it. */
  readonly settings: Settings;
  /** The stage's key; the stack makes one, which stays when the stack goes, when left out. */
  readonly encryptionKey?: kms.Key;
}

/** One installation of Holdfast: storage, functions, workflows, workers, and what starts them. */
export class StageStack extends cdk.Stack {
  readonly storage: StageStorage;
  readonly worker: WorkerTasks;
  readonly functions: StageFunctions;
  readonly workflows: StageWorkflows;

  constructor(scope: Construct, id: string, { settings, encryptionKey, ...props }: StageStackProps) {
    super(scope, id, { description: `Holdfast ${settings.stage}: backups of self-managed MongoDB`, ...props });
    const { stage } = settings;
    const key = encryptionKey ?? makeStageKey(this, stage);
    const network = importNetwork(this, networkOf(settings));
    if (settings.network?.createEndpoints === true) new PrivateEndpoints(this, 'Endpoints', network);
    this.storage = new StageStorage(this, 'Storage', { settings, key });
    const { stateBucket, artifacts, madeBuckets } = this.storage;
    const built = join(cdk.Stage.of(this)?.outdir ?? 'cdk.out', 'built');
    const environment = { STATE_BUCKET: stateBucket.bucketName };
    const imageFolder = buildWorkerImage(join(built, 'image'));
    this.worker = new WorkerTasks(this, 'Worker', { stage, key, network, imageFolder, environment });
    const config = publishConfig(this, settings, built);
    const arns = machineArns(this, stage);
    const { cluster, taskDefinition } = this.worker;
    this.functions = new StageFunctions(this, 'Functions', {
      ...{ stage, key, network },
      code: bundleFunctions(join(built, 'functions')),
      variables: {
        ...environment,
        CONFIG_URI: config.uri,
        STORAGE_BUCKETS: madeBuckets,
        STATE_MACHINE_ARNS: arns.machines.join(','),
        CLUSTER_ARN: cluster.clusterArn,
        TASK_DEFINITION_ARN: taskDefinition.taskDefinitionArn,
        SUBNET_IDS: network.subnets.map(({ subnetId }) => subnetId).join(','),
        SECURITY_GROUP_IDS: network.securityGroups.map(({ securityGroupId }) => securityGroupId).join(','),
      },
    });
    const permissions = new StagePermissions({ settings, key, stateBucket, artifacts });
    this.#grant({ permissions, worker: this.worker, configObjectArn: config.objectArn, ...arns });
    this.workflows = new StageWorkflows(this, 'Workflows', { stage, key, functionArns: this.functions.arns });
    this.#addStarters(settings, key);
    new OutcomeTopic(this, 'Notifications', { key });
  }

  #grant(props: Omit<GrantsProps, 'eventBusArn'>): void {
    const eventBusArn = this.formatArn({ service: 'events', resource: 'event-bus', resourceName: 'default' });
    grantFunctions(this.functions.all, { ...props, eventBusArn });
    grantWorker(this.worker.taskRole, props);
  }

  #addStarters(settings: Settings, key: kms.IKey): void {
    const { SweepRuns, SettleEndedRun, ReportStoppedTask } = this.functions.all;
    const { undelivered } = new Housekeeping(this, 'Housekeeping', {
      key,
      clusterArn: this.worker.cluster.clusterArn,
      stateMachineArns: Object.values(this.workflows.all).map(({ stateMachine }) => stateMachine.stateMachineArn),
      sweepRuns: SweepRuns.function,
      settleEndedRun: SettleEndedRun.function,
      reportStoppedTask: ReportStoppedTask.function,
    });
    const backup = this.workflows.all.backup.stateMachine;
    new BackupSchedules(this, 'Schedules', { settings, key, backup, undelivered });
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

import * as cdk from 'aws-cdk-lib';
import type * as kms from 'aws-cdk-lib/aws-kms';
import type * as lambda from 'aws-cdk-lib/aws-lambda';
import { Construct } from 'constructs';
import type { z } from 'zod';
import { environment as acquireLease } from '../../lambdas/acquire-lease/env.ts';
import { environment as awaitSnapshot } from '../../lambdas/await-snapshot/env.ts';
import { environment as captureOplog } from '../../lambdas/capture-oplog/env.ts';
import { environment as checkArchives } from '../../lambdas/check-archives/env.ts';
import { environment as completeBackup } from '../../lambdas/complete-backup/env.ts';
import { environment as completeRestore } from '../../lambdas/complete-restore/env.ts';
import { environment as deleteSnapshot } from '../../lambdas/delete-snapshot/env.ts';
import { environment as archiveOplog } from '../../lambdas/archive-oplog/env.ts';
import { environment as ensureUnlocked } from '../../lambdas/ensure-unlocked/env.ts';
import { environment as findReplicaSets } from '../../lambdas/find-replica-sets/env.ts';
import { environment as inspectDeployment } from '../../lambdas/inspect-deployment/env.ts';
import { environment as launchWorker } from '../../lambdas/launch-worker/env.ts';
import { environment as planBackup } from '../../lambdas/plan-backup/env.ts';
import { environment as planRestore } from '../../lambdas/plan-restore/env.ts';
import { environment as prune } from '../../lambdas/prune/env.ts';
import { environment as pruneArchives } from '../../lambdas/prune-archives/env.ts';
import { environment as publishOutcome } from '../../lambdas/publish-outcome/env.ts';
import { environment as recordFailure } from '../../lambdas/record-failure/env.ts';
import { environment as releaseLease } from '../../lambdas/release-lease/env.ts';
import { environment as reportStoppedTask } from '../../lambdas/report-stopped-task/env.ts';
import { environment as settleEndedRun } from '../../lambdas/settle-ended-run/env.ts';
import { environment as snapshotMember } from '../../lambdas/snapshot-member/env.ts';
import { environment as startNewBase } from '../../lambdas/start-new-base/env.ts';
import { environment as sweepRuns } from '../../lambdas/sweep-runs/env.ts';
import { environment as retryRun } from '../../lambdas/retry-run/env.ts';
import { environment as cancelRun } from '../../lambdas/cancel-run/env.ts';
import { environment as describeBackup } from '../../lambdas/describe-backup/env.ts';
import { environment as listBackups } from '../../lambdas/list-backups/env.ts';
import { environment as showRecoveryWindow } from '../../lambdas/show-recovery-window/env.ts';
import { environment as showRuns } from '../../lambdas/show-runs/env.ts';
import { environment as startBackup } from '../../lambdas/start-backup/env.ts';
import { environment as startRestore } from '../../lambdas/start-restore/env.ts';
import type { ApiOperation } from '../../src/domain/api-routes.ts';
import { AppFunction, type PrivateNetwork } from './app-function.ts';
import { allFunctions, type AnyFunctionName, operationFunctions } from './function-list.ts';

const schemas = {
  InspectDeployment: inspectDeployment,
  PlanBackup: planBackup,
  AcquireLease: acquireLease,
  LaunchWorker: launchWorker,
  SnapshotMember: snapshotMember,
  EnsureUnlocked: ensureUnlocked,
  AwaitSnapshot: awaitSnapshot,
  DeleteSnapshot: deleteSnapshot,
  CaptureOplog: captureOplog,
  CompleteBackup: completeBackup,
  PlanRestore: planRestore,
  CompleteRestore: completeRestore,
  ReleaseLease: releaseLease,
  PublishOutcome: publishOutcome,
  RecordFailure: recordFailure,
  FindReplicaSets: findReplicaSets,
  ArchiveOplog: archiveOplog,
  StartNewBase: startNewBase,
  SweepRuns: sweepRuns,
  SettleEndedRun: settleEndedRun,
  CheckArchives: checkArchives,
  PruneArchives: pruneArchives,
  ReportStoppedTask: reportStoppedTask,
  StartBackup: startBackup,
  StartRestore: startRestore,
  ListBackups: listBackups,
  DescribeBackup: describeBackup,
  ShowRecoveryWindow: showRecoveryWindow,
  Prune: prune,
  ShowRuns: showRuns,
  CancelRun: cancelRun,
  RetryRun: retryRun,
} as const satisfies Record<AnyFunctionName, z.ZodObject>;

type KeysOfEach<T> = T extends unknown ? keyof T : never;
/** Every variable that a function of the stage asks for, by the schemas themselves: one that nobody sets does not compile. */
export type StageVariables = Readonly<Record<KeysOfEach<z.input<(typeof schemas)[AnyFunctionName]>>, string>>;

export interface StageFunctionsProps {
  readonly stage: string;
  readonly key: kms.IKey;
  readonly network: PrivateNetwork;
  /** The folder of each function's bundle. */
  readonly code: Readonly<Record<AnyFunctionName, string>>;
  readonly variables: StageVariables;
  /** A storage is on a server that may only be reached from the VPC. */
  readonly privateStorages: boolean;
}

/** All functions of a stage, without their grants. */
export class StageFunctions extends Construct {
  readonly all: Readonly<Record<AnyFunctionName, AppFunction>>;

  constructor(scope: Construct, id: string, props: StageFunctionsProps) {
    super(scope, id);
    const names = Object.keys(allFunctions) as AnyFunctionName[];
    this.all = Object.fromEntries(names.map((name) => [name, this.#make(name, props)])) as Record<
      AnyFunctionName,
      AppFunction
    >;
  }

  /** What the state machines call. */
  get arns(): Readonly<Record<AnyFunctionName, string>> {
    const arns = Object.entries(this.all).map(
      ([
        name,
        {
          function: { functionArn },
        },
      ]) => [name, functionArn] as const,
    );
    return Object.fromEntries(arns) as Record<AnyFunctionName, string>;
  }

  /** What does each operation of the API. */
  get byOperation(): Readonly<Record<ApiOperation, lambda.IFunction>> {
    const operations = Object.keys(operationFunctions) as ApiOperation[];
    const functions = operations.map((name) => [name, this.all[operationFunctions[name]].function] as const);
    return Object.fromEntries(functions) as unknown as Record<ApiOperation, lambda.IFunction>;
  }

  #make(
    name: AnyFunctionName,
    { stage, key, network, code, variables, privateStorages }: StageFunctionsProps,
  ): AppFunction {
    const { folder, description, timeoutSeconds, memory, database, names, artifacts } = allFunctions[name];
    const wanted = Object.keys(schemas[name].shape) as (keyof StageVariables)[];
    return new AppFunction(this, name, {
      stage,
      folder,
      description,
      code: code[name],
      environment: Object.fromEntries(wanted.map((variable) => [variable, variables[variable]])),
      timeout: cdk.Duration.seconds(timeoutSeconds),
      memorySize: memory,
      key,
      ...((database || names === true || (artifacts === true && privateStorages)) && { network }),
    });
  }
}

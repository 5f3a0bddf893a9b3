import * as cdk from 'aws-cdk-lib';
import * as events from 'aws-cdk-lib/aws-events';
import * as targets from 'aws-cdk-lib/aws-events-targets';
import * as iam from 'aws-cdk-lib/aws-iam';
import type * as sfn from 'aws-cdk-lib/aws-stepfunctions';
import { Construct } from 'constructs';
import type { Settings } from '../../src/domain/settings.ts';
import { grant } from '../grant.ts';

export interface OplogArchivesProps {
  readonly settings: Settings;
  readonly archiveOplog: sfn.StateMachine;
}

/** Starts a turn of the archive every minute, for each deployment that has one. A turn that is missed is in the next one. */
export class OplogArchives extends Construct {
  constructor(scope: Construct, id: string, { settings, archiveOplog }: OplogArchivesProps) {
    super(scope, id);
    const archived = Object.values(settings.deployments).filter(({ oplogArchive }) => oplogArchive?.enabled === true);
    if (archived.length === 0) return;
    const role = new iam.Role(this, 'Role', { assumedBy: new iam.ServicePrincipal('events.amazonaws.com') });
    grant(role, {
      actions: ['states:StartExecution'],
      resources: [archiveOplog.stateMachineArn],
      purpose: 'Starts a turn of the oplog archive every minute',
    });
    for (const { name } of archived) {
      new events.Rule(this, name, {
        description: `Archives the oplog of ${name}`,
        schedule: events.Schedule.rate(cdk.Duration.minutes(1)),
        targets: [
          new targets.SfnStateMachine(archiveOplog, {
            role,
            input: events.RuleTargetInput.fromObject({ deployment: name }),
            retryAttempts: 1,
            maxEventAge: cdk.Duration.minutes(1),
          }),
        ],
      });
    }
  }
}

import { readFileSync } from 'node:fs';
import * as cdk from 'aws-cdk-lib';
import * as iam from 'aws-cdk-lib/aws-iam';
import type * as kms from 'aws-cdk-lib/aws-kms';
import * as logs from 'aws-cdk-lib/aws-logs';
import * as sfn from 'aws-cdk-lib/aws-stepfunctions';
import { Construct } from 'constructs';
import { type FunctionName, isExpress, stateMachines, type WorkflowName } from '../../statemachines/manifest.ts';
import { explainGrant, grant } from '../grant.ts';

export interface WorkflowProps {
  readonly workflow: WorkflowName;
  readonly stateMachineName: string;
  readonly key: kms.IKey;
  readonly functionArns: Readonly<Record<FunctionName, string>>;
}

const because = 'Log delivery and X-Ray know no resources.';
const logDelivery = [
  'logs:CreateLogDelivery',
  'logs:GetLogDelivery',
  'logs:UpdateLogDelivery',
  'logs:DeleteLogDelivery',
  'logs:ListLogDeliveries',
  'logs:PutResourcePolicy',
  'logs:DescribeResourcePolicies',
  'logs:DescribeLogGroups',
];
const tracing = [
  'xray:PutTraceSegments',
  'xray:PutTelemetryRecords',
  'xray:GetSamplingRules',
  'xray:GetSamplingTargets',
];

/** A state machine from its file: the definition in the template is the file, with the functions' ARNs put in by CloudFormation. */
export class Workflow extends Construct {
  readonly stateMachine: sfn.StateMachine;

  constructor(scope: Construct, id: string, { workflow, stateMachineName, key, functionArns }: WorkflowProps) {
    super(scope, id);
    const { file, functions } = stateMachines[workflow];
    const role = new iam.Role(this, 'Role', { assumedBy: new iam.ServicePrincipal('states.amazonaws.com') });
    const arns = functions.map((name) => functionArns[name]);
    grant(role, { actions: ['lambda:InvokeFunction'], resources: arns, purpose: 'Calls the functions of its states' });
    explainGrant(role, { actions: logDelivery, purpose: 'Step Functions sets up the log of executions', because });
    explainGrant(role, { actions: tracing, purpose: 'Step Functions writes traces', because });
    this.stateMachine = new sfn.StateMachine(this, 'StateMachine', {
      stateMachineName,
      role,
      definitionBody: sfn.DefinitionBody.fromString(
        readFileSync(new URL(`../../statemachines/${file}`, import.meta.url), 'utf8'),
      ),
      definitionSubstitutions: Object.fromEntries(functions.map((name) => [name, functionArns[name]])),
      // Type EXPRESS: a turn each minute would cost more in transitions than in everything else.
      stateMachineType: isExpress(workflow) ? sfn.StateMachineType.EXPRESS : sfn.StateMachineType.STANDARD,
      tracingEnabled: true,
      logs: {
        destination: new logs.LogGroup(this, 'Logs', {
          logGroupName: `/aws/vendedlogs/states/${stateMachineName}`,
          retention: logs.RetentionDays.THREE_MONTHS,
          encryptionKey: key,
          removalPolicy: cdk.RemovalPolicy.DESTROY,
        }),
        level: sfn.LogLevel.ALL,
        // Tokens and requests stay out of the log; the history has them, for those who may read it.
        includeExecutionData: false,
      },
    });
  }
}

import * as cdk from 'aws-cdk-lib';
import type * as ec2 from 'aws-cdk-lib/aws-ec2';
import * as iam from 'aws-cdk-lib/aws-iam';
import type * as kms from 'aws-cdk-lib/aws-kms';
import * as lambda from 'aws-cdk-lib/aws-lambda';
import * as logs from 'aws-cdk-lib/aws-logs';
import { Construct } from 'constructs';
import { stageNames } from '../../src/domain/names.ts';
import { checkedName } from '../checked-name.ts';
import { explainGrant, grant } from '../grant.ts';

/** Where functions and workers reach MongoDB from. */
export interface PrivateNetwork {
  readonly vpc: ec2.IVpc;
  readonly subnets: readonly ec2.ISubnet[];
  readonly securityGroups: readonly ec2.ISecurityGroup[];
}

export interface AppFunctionProps {
  readonly stage: string;
  /** The function's folder under lambdas/. */
  readonly folder: string;
  readonly description: string;
  /** The folder with its bundle. */
  readonly code: string;
  /** What the schema of its env.ts asks for. */
  readonly environment: Readonly<Record<string, string>>;
  readonly timeout: cdk.Duration;
  readonly memorySize: number;
  readonly key: kms.IKey;
  /** For functions that speak MongoDB; the others stay outside of the VPC and reach AWS without endpoints or NAT. */
  readonly network?: PrivateNetwork;
}

/** One function of Holdfast: its own role and log group, Node 24 on arm64, traced. Grants are added by who makes it. */
export class AppFunction extends Construct {
  readonly function: lambda.Function;
  readonly role: iam.Role;

  constructor(scope: Construct, id: string, props: AppFunctionProps) {
    super(scope, id);
    const functionName = checkedName(stageNames.function(props.stage, props.folder), 64, 'a function');
    const logGroup = new logs.LogGroup(this, 'Logs', {
      logGroupName: `/aws/lambda/${functionName}`,
      retention: logs.RetentionDays.THREE_MONTHS,
      encryptionKey: props.key,
      removalPolicy: cdk.RemovalPolicy.DESTROY,
    });
    this.role = new iam.Role(this, 'Role', { assumedBy: new iam.ServicePrincipal('lambda.amazonaws.com') });
    this.function = new lambda.Function(this, 'Function', {
      functionName,
      description: props.description,
      code: lambda.Code.fromAsset(props.code),
      handler: 'index.handler',
      runtime: lambda.Runtime.NODEJS_24_X,
      architecture: lambda.Architecture.ARM_64,
      environment: { ...props.environment },
      environmentEncryption: props.key,
      timeout: props.timeout,
      memorySize: props.memorySize,
      tracing: lambda.Tracing.ACTIVE,
      role: this.role,
      logGroup,
      ...(props.network && networkProps(props.network)),
    });
    this.#grantBasics(logGroup, props);
  }

  #grantBasics(logGroup: logs.ILogGroup, { network }: AppFunctionProps): void {
    grant(this.role, {
      actions: ['logs:CreateLogStream', 'logs:PutLogEvents'],
      resources: [logGroup.logGroupArn],
      purpose: 'Lambda writes the function’s log',
    });
    explainGrant(this.role, {
      actions: ['xray:PutTraceSegments', 'xray:PutTelemetryRecords'],
      purpose: 'Lambda writes traces',
      because: 'X-Ray, and the network interfaces that Lambda makes, know no resources.',
    });
    if (network === undefined) return;
    grant(this.role, {
      actions: [
        'ec2:CreateNetworkInterface',
        'ec2:DescribeNetworkInterfaces',
        'ec2:DescribeSubnets',
        'ec2:DeleteNetworkInterface',
        'ec2:AssignPrivateIpAddresses',
        'ec2:UnassignPrivateIpAddresses',
      ],
      resources: ['*'],
      purpose: 'Lambda puts the function into the VPC',
      because: 'Lambda itself makes them with the role of the function, and demands the grant without resources.',
    });
  }
}

function networkProps({ vpc, subnets, securityGroups }: PrivateNetwork): Partial<lambda.FunctionProps> {
  return { vpc, vpcSubnets: { subnets: [...subnets] }, securityGroups: [...securityGroups] };
}
